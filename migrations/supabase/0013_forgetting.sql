-- Requests in order, and what makes them be forgotten.

do $$
begin
    perform pg_advisory_xact_lock(hashtextextended('ai-cost-optimizer migrations', 0));
    -- Who waited has the functions of before in its cache until it opens a table.
    perform from pg_catalog.pg_proc where false;
    if public.schema_version() <> 12 then
        raise exception 'this migration follows 12, and the database is at %', public.schema_version()
            using errcode = '55000', hint = 'apply only the files whose number is above that of public.schema_version()';
    end if;
end $$;

-- Lists requests that came in a time, `most` at most, in the order in which they came, from after one on.
create function public.list_requests(
    from_time timestamptz default '-infinity', to_time timestamptz default 'infinity', after uuid default null,
    most bigint default 1000)
returns jsonb
language sql stable security invoker
set search_path = ''
as $$
    select coalesce(jsonb_agg(to_jsonb(o) order by o.id), '[]')
    from (
        select r.* from public.requests r
        where r.user_id = (select auth.uid()) and r.created_at >= from_time and r.created_at < to_time
          and r.id > coalesce(after, '00000000-0000-0000-0000-000000000000')
        order by r.id limit greatest(most, 0)) o
$$;

-- Forgets requests of before a time with all that is known of them, `most` at most, oldest first; returns how many. What
-- is part of an experiment stays as long as that does; one that was put away before the time goes first.
create function public.forget_requests(before timestamptz, most bigint) returns bigint
language plpgsql volatile security invoker
set search_path = ''
as $$
declare
    forgotten bigint;
begin
    delete from public.experiments e
    where e.user_id = (select auth.uid()) and e.status = 'archived' and e.ended_at < before;
    with old as materialized (
        select r.id from public.requests r
        where r.user_id = (select auth.uid()) and r.created_at < before
          and not exists (
              select from public.experiment_results k where k.user_id = r.user_id and k.request_id = r.id)
        order by r.created_at limit greatest(most, 0)),
    lines as (
        -- Live lines have no request; those as old go along.
        delete from public.routing_metrics m
        where m.user_id = (select auth.uid()) and m.created_at < before and exists (select from old))
    delete from public.requests r using old where r.user_id = (select auth.uid()) and r.id = old.id;
    get diagnostics forgotten = row_count;
    return forgotten;
end $$;

-- Forgets everything of the caller.
create function public.forget_everything() returns void
language plpgsql volatile security invoker
set search_path = ''
as $$
declare
    caller constant uuid := auth.uid();
    name   text;
begin
    if caller is null then
        raise exception 'nobody is signed in' using errcode = '42501';
    end if;
    -- What refers to others goes first.
    foreach name in array array[
        'experiment_results', 'experiments', 'response_feedback', 'routing_feedback', 'negative_pairs',
        'response_cache', 'calibration', 'calibration_epochs', 'calibration_sums', 'routing_state',
        'model_performance_history', 'routing_metrics', 'budget_reservations', 'budgets', 'requests']
    loop
        execute format('delete from public.%I where user_id = $1', name) using caller;
    end loop;
    -- Sums are kept level at the end of a transaction: that is now.
    set constraints public.requests_spend immediate;
    delete from public.budget_spend where user_id = caller;
end $$;

create or replace function public.schema_version() returns integer
language sql stable security invoker set search_path = '' as 'select 13';

do $$
declare
    made regprocedure;
begin
    foreach made in array array[
        'public.list_requests(timestamptz, timestamptz, uuid, bigint)',
        'public.forget_requests(timestamptz, bigint)',
        'public.forget_everything()']::regprocedure[]
    loop
        execute format('revoke all on function %s from public, anon, service_role', made);
        execute format('grant execute on function %s to authenticated', made);
    end loop;
end $$;

notify pgrst, 'reload schema';

-- How sure a sum of savings is, and the latest requests.

do $$
begin
    perform pg_advisory_xact_lock(hashtextextended('ai-cost-optimizer migrations', 0));
    -- Who waited has the functions of before in its cache until it opens a table.
    perform from pg_catalog.pg_proc where false;
    if public.schema_version() <> 13 then
        raise exception 'this migration follows 13, and the database is at %', public.schema_version()
            using errcode = '55000', hint = 'apply only the files whose number is above that of public.schema_version()';
    end if;
end $$;

create index requests_estimated on public.requests (user_id, created_at) where cost_estimated;

-- Says how far the caller's savings from one instant up to another, without it, may be off either way: {below_pico,
-- above_pico}. Where a cost had to be estimated, the tokens may have been none, or as many as the worst case allows, and
-- the saving moves with them. Ends where bigint ends.
create function public.saving_range(from_time timestamptz default '-infinity', to_time timestamptz default 'infinity')
returns jsonb
language sql stable security invoker
set search_path = ''
as $$
    select jsonb_build_object(
        'below_pico', least(coalesce(sum(s.saved - least(s.scaled, 0)), 0), 9223372036854775807)::bigint,
        'above_pico', least(coalesce(sum(greatest(s.scaled, 0) - s.saved), 0), 9223372036854775807)::bigint)
    from (
        select r.saved_pico::numeric as saved,
               case when r.worst_case_pico > r.cost_pico and r.cost_pico > 0
                    then div(r.saved_pico::numeric * r.worst_case_pico, r.cost_pico)
                    else r.saved_pico end as scaled
        from public.requests r
        where r.user_id = (select auth.uid()) and r.cost_estimated and r.saved_pico is not null
          and r.created_at >= from_time and r.created_at < to_time) s
$$;

-- Lists the latest requests, `most` at most, the last one first.
create function public.latest_requests(most bigint) returns jsonb
language sql stable security invoker
set search_path = ''
as $$
    select coalesce(jsonb_agg(to_jsonb(o) order by o.created_at desc, o.id desc), '[]')
    from (
        select r.* from public.requests r
        where r.user_id = (select auth.uid())
        order by r.created_at desc, r.id desc limit greatest(most, 0)) o
$$;

create or replace function public.schema_version() returns integer
language sql stable security invoker set search_path = '' as 'select 14';

do $$
declare
    made regprocedure;
begin
    foreach made in array array[
        'public.saving_range(timestamptz, timestamptz)', 'public.latest_requests(bigint)']::regprocedure[]
    loop
        execute format('revoke all on function %s from public, anon, service_role', made);
        execute format('grant execute on function %s to authenticated', made);
    end loop;
end $$;

notify pgrst, 'reload schema';

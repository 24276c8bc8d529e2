-- Closes what row-level security leaves open: what one user could tell of another without ever seeing a row.

do $$
begin
    perform pg_advisory_xact_lock(hashtextextended('ai-cost-optimizer migrations', 0));
    -- Who waited has the functions of before in its cache until it opens a table.
    perform from pg_catalog.pg_proc where false;
    if public.schema_version() <> 6 then
        raise exception 'this migration follows 6, and the database is at %', public.schema_version()
            using errcode = '55000', hint = 'apply only the files whose number is above that of public.schema_version()';
    end if;
end $$;

-- How many callers a statement has: one. There is none where it is only to be explained.
--
-- REST explains a query for whoever asks with `Prefer: count=planned`, and the planner estimates from the values of all
-- users: with a few hundred such questions anybody could read which users there are, how many rows each has, and the
-- texts that are frequent in them. A policy's LIMIT is looked at when the query is planned, so there it refuses.
create function public.one_caller() returns bigint
language plpgsql stable security invoker
set search_path = ''
as $$
begin
    if left(current_query(), 1000) ~* '^(\s|--[^\n]*\n|/\*.*?\*/)*explain\M' then
        raise exception 'the planner''s estimates would tell of other users' using errcode = '42501',
            hint = 'count=exact counts your own rows';
    end if;
    return 1;
end $$;

revoke all on function public.one_caller() from public, anon, service_role;
grant execute on function public.one_caller() to authenticated;

do $$
declare
    name text;
    own  constant text := '((select auth.uid() limit public.one_caller()) = user_id)';
begin
    foreach name in array array[
        'requests', 'response_cache', 'response_feedback', 'routing_feedback', 'routing_metrics']
    loop
        execute format('alter policy %I on public.%I using %s', name || '_select', name, own);
        execute format('alter policy %I on public.%I with check %s', name || '_insert', name, own);
        execute format('alter policy %I on public.%I using %s with check %s', name || '_update', name, own, own);
        execute format('alter policy %I on public.%I using %s', name || '_delete', name, own);
    end loop;
end $$;

-- Realtime tells a role that may not read the key of a table of every row that anybody writes there: without the row,
-- as "Error 401: Unauthorized". A role that may read the key is told of the rows that a policy shows it: none.
grant select (id) on public.routing_metrics to anon;

-- The key of a live line is the one that no user's id is part of: whoever could choose it would be told which are
-- taken.
revoke insert, update on public.routing_metrics from authenticated;
grant insert (
    user_id, created_at, status, quality, strategy, complexity_tier, source, provider, model, input_tokens,
    output_tokens, cost_pico, cost_estimated, baseline_cost_pico, saved_pico, latency_ms, provider_latency_ms,
    similarity) on public.routing_metrics to authenticated;

-- Texts in an index are short: one that does not fit is a wrong argument, and not a failure of the server.
alter table public.response_cache add check (octet_length(embedder_fingerprint) <= 1000);
alter table public.routing_feedback
    add check (octet_length(provider) <= 1000),
    add check (octet_length(model) <= 1000),
    add check (octet_length(embedder_fingerprint) <= 1000);

-- The value of an immutable function stays in a prepared statement, and is there for whoever uses the connection next.
create or replace function public.schema_version() returns integer
language sql stable security invoker set search_path = '' as 'select 7';

notify pgrst, 'reload schema';

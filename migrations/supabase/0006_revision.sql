-- Whether anything changed, for clients that cannot hear it from Realtime.

do $$
begin
    perform pg_advisory_xact_lock(hashtextextended('ai-cost-optimizer migrations', 0));
    -- Who waited has the functions of before in its cache until it opens a table.
    perform from pg_catalog.pg_proc where false;
    if public.schema_version() <> 5 then
        raise exception 'this migration follows 5, and the database is at %', public.schema_version()
            using errcode = '55000', hint = 'apply only the files whose number is above that of public.schema_version()';
    end if;
end $$;

-- A number that is another one after a request of the caller was recorded or rated.
create function public.revision() returns bigint
language sql stable security invoker
set search_path = ''
as $$
    select pg_catalog.hashtextextended(
        (select count(*)::text from public.routing_metrics m where m.user_id = (select auth.uid())) || '/' ||
        coalesce((select max(f.created_at)::text || count(*)::text from public.response_feedback f
                  where f.user_id = (select auth.uid())), ''), 0)
$$;

create or replace function public.schema_version() returns integer
language sql immutable security invoker set search_path = '' as 'select 6';

revoke all on function public.revision() from public, anon, service_role;
grant execute on function public.revision() to authenticated;

notify pgrst, 'reload schema';

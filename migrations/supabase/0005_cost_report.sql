-- Sums over requests, made where the rows are: REST hands out a thousand rows at most, and never says that it cut.

do $$
begin
    perform pg_advisory_xact_lock(hashtextextended('ai-cost-optimizer migrations', 0));
    -- Who waited has the functions of before in its cache until it opens a table.
    perform from pg_catalog.pg_proc where false;
    if public.schema_version() <> 4 then
        raise exception 'this migration follows 4, and the database is at %', public.schema_version()
            using errcode = '55000', hint = 'apply only the files whose number is above that of public.schema_version()';
    end if;
end $$;

-- Sums the caller's requests from one instant up to another, without it; an absent end is open.
--
-- `group_by` is null, provider, model, strategy, day (UTC), tag or source. Returns {totals, groups: [{key, …}]}, groups
-- dearest first and days in order. A request with several tags is in several groups, and in the totals once. A sum of
-- money ends where bigint ends.
create function public.cost_report(
    from_time timestamptz default null, to_time timestamptz default null, group_by text default null)
returns jsonb
language plpgsql stable security invoker
set search_path = ''
set plan_cache_mode = 'force_custom_plan'
as $$
declare
    report jsonb;
begin
    if group_by not in ('provider', 'model', 'strategy', 'day', 'tag', 'source') then
        raise exception 'group_by is provider, model, strategy, day, tag or source' using errcode = '22023';
    end if;
    with sums as (
        select
            k.key,
            count(*) filter (where status <> 'intent') as requests,
            coalesce(sum(cost_pico) filter (where status <> 'intent'), 0) as cost_pico,
            coalesce(sum(baseline_cost_pico) filter (where saved_pico is not null), 0) as baseline_cost_pico,
            coalesce(sum(saved_pico), 0) as saved_pico,
            count(*) filter (where status <> 'intent' and source in ('cache_exact', 'cache_semantic')) as cache_hits,
            coalesce(sum(input_tokens) filter (where status <> 'intent'), 0) as input_tokens,
            coalesce(sum(output_tokens) filter (where status <> 'intent'), 0) as output_tokens,
            count(*) filter (where status <> 'intent' and cost_pico is null) as unpriced_requests,
            count(*) filter (where status <> 'intent' and cost_estimated) as estimated_requests,
            count(*) filter (where status = 'failed') as failed_requests,
            count(*) filter (where status = 'intent') as unsettled_requests,
            coalesce(sum(worst_case_pico) filter (where status = 'intent'), 0) as unsettled_worst_case_pico
        from public.requests r
        -- Each request with the key of each of its groups; the one without a key is in the totals.
        cross join lateral (
            select null::text as key
            union all
            select case group_by
                       when 'provider' then coalesce(r.provider, 'none')
                       when 'model' then coalesce(r.provider || '/' || r.model, 'none')
                       when 'strategy' then r.strategy
                       when 'day' then to_char(r.created_at at time zone 'UTC', 'YYYY-MM-DD')
                       when 'source' then coalesce(r.source, r.status)
                   end
            where group_by <> 'tag'
            union all
            select t.tag from unnest(r.tags) as t (tag) where group_by = 'tag') as k
        where r.user_id = (select auth.uid())
          and r.created_at >= coalesce(from_time, '-infinity')
          and r.created_at < coalesce(to_time, 'infinity')
        group by k.key),
    clamped as (
        select key, requests,
               least(greatest(cost_pico, -9223372036854775808), 9223372036854775807)::bigint as cost_pico,
               least(greatest(baseline_cost_pico, -9223372036854775808), 9223372036854775807)::bigint
                   as baseline_cost_pico,
               least(greatest(saved_pico, -9223372036854775808), 9223372036854775807)::bigint as saved_pico,
               cache_hits, least(input_tokens, 9223372036854775807)::bigint as input_tokens,
               least(output_tokens, 9223372036854775807)::bigint as output_tokens, unpriced_requests,
               estimated_requests, failed_requests, unsettled_requests,
               least(greatest(unsettled_worst_case_pico, -9223372036854775808), 9223372036854775807)::bigint
                   as unsettled_worst_case_pico
        from sums)
    select jsonb_build_object(
        'totals', coalesce(
            (select to_jsonb(c) - 'key' from clamped c where c.key is null),
            '{"requests": 0, "cost_pico": 0, "baseline_cost_pico": 0, "saved_pico": 0, "cache_hits": 0,
              "input_tokens": 0, "output_tokens": 0, "unpriced_requests": 0, "estimated_requests": 0,
              "failed_requests": 0, "unsettled_requests": 0, "unsettled_worst_case_pico": 0}'::jsonb),
        'groups', coalesce(
            (select jsonb_agg(to_jsonb(c) order by
                        case when group_by = 'day' then c.key end collate "C",
                        c.cost_pico desc, c.requests desc, c.key collate "C")
             from clamped c where c.key is not null),
            '[]'::jsonb))
    into report;
    return report;
end $$;

create or replace function public.schema_version() returns integer
language sql immutable security invoker set search_path = '' as 'select 5';

revoke all on function public.cost_report(timestamptz, timestamptz, text) from public, anon, service_role;
grant execute on function public.cost_report(timestamptz, timestamptz, text) to authenticated;

notify pgrst, 'reload schema';

-- How well each model did day by day, for the program to see where one gets worse.

do $$
begin
    perform pg_advisory_xact_lock(hashtextextended('ai-cost-optimizer migrations', 0));
    -- Who waited has the functions of before in its cache until it opens a table.
    perform from pg_catalog.pg_proc where false;
    if public.schema_version() <> 9 then
        raise exception 'this migration follows 9, and the database is at %', public.schema_version()
            using errcode = '55000', hint = 'apply only the files whose number is above that of public.schema_version()';
    end if;
end $$;

-- Days are counted from 1970-01-01 UTC, and are those of the requests.
create table public.model_performance_history (
    user_id    uuid             not null default auth.uid() references auth.users (id) on delete cascade,
    provider   text             not null,
    model      text             not null,
    day        integer          not null,
    outcomes   bigint           not null check (outcomes >= 0),
    score_sum  double precision not null check (score_sum >= 0),
    primary key (user_id, day, provider, model)
);

do $$
declare
    own constant text := '((select auth.uid() limit public.one_caller()) = user_id)';
begin
    alter table public.model_performance_history enable row level security;
    alter table public.model_performance_history force row level security;
    execute format(
        'create policy model_performance_history_select on public.model_performance_history for select to authenticated '
        'using %s', own);
    execute format(
        'create policy model_performance_history_insert on public.model_performance_history for insert to authenticated '
        'with check %s', own);
    execute format(
        'create policy model_performance_history_update on public.model_performance_history for update to authenticated '
        'using %s with check %s', own, own);
    execute format(
        'create policy model_performance_history_delete on public.model_performance_history for delete to authenticated '
        'using %s', own);
    revoke all on public.model_performance_history from public, anon, authenticated;
    grant select, insert, update, delete on public.model_performance_history to authenticated;
end $$;

create index routing_feedback_by_day on public.routing_feedback (user_id, provider, model, created_at)
    where score is not null;

-- Sums a model's outcomes of a day anew, and drops days that are older than 400. Outcomes of one session count as 20 at
-- most, so that nobody's mood speaks for a model.
create function public.note_model_performance(provider text, model text, day integer) returns void
language plpgsql volatile security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
    caller constant uuid := auth.uid();
    first  timestamptz;
begin
    if caller is null then
        raise exception 'nobody is signed in' using errcode = '42501';
    end if;
    if note_model_performance.provider is null or note_model_performance.model is null
        or note_model_performance.day is null then
        raise exception 'provider, model and day must be given' using errcode = '22004';
    end if;
    if note_model_performance.day not between 0 and 100000 then
        raise exception 'day counts from 1970-01-01' using errcode = '22023';
    end if;
    first := to_timestamp(note_model_performance.day * 86400.0);
    insert into public.model_performance_history as h (user_id, provider, model, day, outcomes, score_sum)
    select caller, note_model_performance.provider, note_model_performance.model, note_model_performance.day,
           sum(s.counted), sum(s.counted * s.mean)
    from (
        select least(count(*), 20) as counted, avg(f.score) as mean
        from public.routing_feedback f
        left join public.requests r on r.user_id = f.user_id and r.id = f.request_id
        where f.user_id = caller and f.provider = note_model_performance.provider
          and f.model = note_model_performance.model and f.score is not null
          and f.created_at >= first
          and f.created_at < first + interval '24 hours'
        group by coalesce(r.session, f.request_id::text)) s
    having count(*) > 0
    on conflict (user_id, day, provider, model)
        do update set outcomes = excluded.outcomes, score_sum = excluded.score_sum;
    delete from public.model_performance_history h
    where h.user_id = caller and h.day < note_model_performance.day - 400;
end $$;

-- Replaces the forecast of a request, unless it has been learned from.
create function public.keep_forecast(request_id uuid, forecast text) returns void
language sql volatile security invoker
set search_path = ''
as $$
    update public.requests r set forecast = keep_forecast.forecast
    where r.user_id = (select auth.uid()) and r.id = keep_forecast.request_id and r.forecast is not null
      and keep_forecast.forecast is not null
$$;

-- Lists how well each model did on each day from `from_day` on, as [{provider, model, day, outcomes, score_sum}].
create function public.model_performance(from_day integer) returns jsonb
language sql stable security invoker
set search_path = ''
as $$
    select coalesce(jsonb_agg(
        jsonb_build_object(
            'provider', h.provider, 'model', h.model, 'day', h.day, 'outcomes', h.outcomes, 'score_sum', h.score_sum)
        order by h.day, h.provider, h.model), '[]')
    from public.model_performance_history h
    where h.user_id = (select auth.uid()) and h.day >= from_day
$$;

create or replace function public.schema_version() returns integer
language sql stable security invoker set search_path = '' as 'select 10';

revoke all on function public.model_performance(integer), public.note_model_performance(text, text, integer),
    public.keep_forecast(uuid, text) from public, anon, service_role;
grant execute on function public.model_performance(integer), public.note_model_performance(text, text, integer),
    public.keep_forecast(uuid, text) to authenticated;

notify pgrst, 'reload schema';

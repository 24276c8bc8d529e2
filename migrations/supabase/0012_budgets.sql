-- Limits of what may be spent, what requests under way may cost at the most, and what is spent, by day.

do $$
begin
    perform pg_advisory_xact_lock(hashtextextended('ai-cost-optimizer migrations', 0));
    -- Who waited has the functions of before in its cache until it opens a table.
    perform from pg_catalog.pg_proc where false;
    if public.schema_version() <> 11 then
        raise exception 'this migration follows 11, and the database is at %', public.schema_version()
            using errcode = '55000', hint = 'apply only the files whose number is above that of public.schema_version()';
    end if;
end $$;

create table public.budgets (
    user_id          uuid        not null default auth.uid() references auth.users (id) on delete cascade,
    period           text        not null check (period in ('day', 'month')),
    -- Only requests with this tag; empty: all.
    tag              text        collate "C" not null default '' check (octet_length(tag) <= 1000),
    set_by           text        not null check (set_by in ('cli', 'tool')),
    limit_pico       bigint      not null check (limit_pico >= 0),
    on_breach        text        collate "C" not null check (on_breach in ('warn', 'downgrade', 'block')),
    updated_at       timestamptz not null default now(),
    primary key (user_id, period, tag, set_by)
);

-- Written with a request's intent and gone with its end. If its process dies it ends by itself.
create table public.budget_reservations (
    user_id          uuid        not null default auth.uid() references auth.users (id) on delete cascade,
    request_id       uuid        not null,
    amount_pico      bigint      not null check (amount_pico >= 0),
    created_at       timestamptz not null,
    tags             text[]      not null check (array_position(tags, null) is null),
    -- The process that reserved it.
    owner            text        not null check (octet_length(owner) <= 1000),
    expires_at       timestamptz not null,
    primary key (user_id, request_id),
    foreign key (user_id, request_id) references public.requests (user_id, id) on delete cascade
);

-- What requests that ended have cost, by the UTC day on which they came; a trigger keeps it level with `requests`. The
-- empty tag is that of all; tags of more than 1,000 bytes are in none.
create table public.budget_spend (
    user_id          uuid        not null default auth.uid() references auth.users (id) on delete cascade,
    -- Days since 1970-01-01.
    day              integer     not null,
    tag              text        collate "C" not null check (octet_length(tag) <= 1000),
    spent_pico       numeric     not null check (abs(spent_pico) < 1e30),
    primary key (user_id, tag, day)
)
-- One row is written by every request of a day.
with (fillfactor = 50);

-- Filled before anybody's rows are closed to the owner; those of `requests` are opened for it.
alter table public.requests no force row level security;
insert into public.budget_spend (user_id, day, tag, spent_pico)
select r.user_id, (r.created_at at time zone 'UTC')::date - date '1970-01-01', t.tag, sum(r.cost_pico)
from public.requests r
cross join lateral (
    select '' as tag union select u.tag from unnest(r.tags) as u (tag) where octet_length(u.tag) between 1 and 1000) t
where r.status <> 'intent' and r.cost_pico is not null and isfinite(r.created_at)
group by 1, 2, 3;
alter table public.requests force row level security;

do $$
declare
    name text;
    own  constant text := '((select auth.uid() limit public.one_caller()) = user_id)';
begin
    foreach name in array array['budgets', 'budget_reservations', 'budget_spend'] loop
        execute format('alter table public.%I enable row level security', name);
        execute format('alter table public.%I force row level security', name);
        execute format('create policy %I on public.%I for select to authenticated using %s',
            name || '_select', name, own);
        execute format('create policy %I on public.%I for insert to authenticated with check %s',
            name || '_insert', name, own);
        execute format('create policy %I on public.%I for update to authenticated using %s with check %s',
            name || '_update', name, own, own);
        execute format('create policy %I on public.%I for delete to authenticated using %s',
            name || '_delete', name, own);
        execute format('revoke all on public.%I from public, anon, authenticated', name);
        execute format('grant select, insert, update, delete on public.%I to authenticated', name);
    end loop;
end $$;

-- Takes the reservation of a request away; says whether there was one. The end of a request does so by itself.
create function public.settle_budget(request_id uuid) returns boolean
language plpgsql volatile security invoker
set search_path = ''
as $$
begin
    delete from public.budget_reservations r
    where r.user_id = (select auth.uid()) and r.request_id = settle_budget.request_id;
    return found;
end $$;

-- Counts what a request cost, and takes its reservation away once it has ended.
create function public.keep_budget_spend() returns trigger
language plpgsql volatile security invoker
set search_path = ''
as $$
declare
    is_counted constant boolean := tg_op <> 'INSERT' and old.status <> 'intent' and old.cost_pico <> 0;
    counts     constant boolean := tg_op <> 'DELETE' and new.status <> 'intent' and new.cost_pico <> 0;
begin
    if is_counted and counts and old.cost_pico = new.cost_pico and old.tags = new.tags
        and old.created_at = new.created_at then
        return null;
    end if;
    if is_counted and isfinite(old.created_at) then
        -- No row is made, so that a user who is deleted leaves none.
        update public.budget_spend s set spent_pico = s.spent_pico - old.cost_pico
        where s.user_id = old.user_id and s.day = (old.created_at at time zone 'UTC')::date - date '1970-01-01'
          and (s.tag = '' or s.tag = any(old.tags));
    end if;
    if counts and isfinite(new.created_at) then
        insert into public.budget_spend as s (user_id, day, tag, spent_pico)
        select new.user_id, (new.created_at at time zone 'UTC')::date - date '1970-01-01', t.tag, new.cost_pico
        from (
            select '' as tag
            union
            select u.tag from unnest(new.tags) as u (tag) where octet_length(u.tag) between 1 and 1000) t
        -- In one order, so that two requests never wait for each other.
        order by t.tag collate "C"
        on conflict (user_id, tag, day) do update set spent_pico = s.spent_pico + excluded.spent_pico;
    end if;
    if tg_op <> 'DELETE' and new.status <> 'intent' then
        perform public.settle_budget(new.id);
    end if;
    return null;
end $$;

-- At the end of a transaction, so that the row that all requests of a day write is locked for as short as can be.
create constraint trigger requests_spend after insert or delete or update of status, cost_pico, tags, created_at
on public.requests deferrable initially deferred for each row execute function public.keep_budget_spend();

-- Lists what was spent by UTC day, as [[day, pico-dollars]], from the day of a time to that of another.
create function public.daily_spend(from_time timestamptz, to_time timestamptz) returns jsonb
language sql stable security invoker
set search_path = ''
as $$
    select coalesce(jsonb_agg(
        jsonb_build_array(
            date '1970-01-01' + s.day, least(greatest(s.spent_pico, -9223372036854775808), 9223372036854775807)::bigint)
        order by s.day), '[]')
    from public.budget_spend s
    where s.user_id = (select auth.uid()) and s.tag = ''
      and date '1970-01-01' + s.day >= (from_time at time zone 'UTC')::date
      and date '1970-01-01' + s.day <= (to_time at time zone 'UTC')::date
$$;

-- Says how each limit stands at a time, those that are `given` and those that are kept, as [{period, tag, limit_pico,
-- on_breach, set_by, spent_pico, reserved_pico}]. `given` has {period, tag, limit_pico, on_breach}. With `tags`, only
-- limits that a request with them counts for; `but_for` is a request whose own reservation does not count.
create function public.budget_standings(
    given jsonb, as_of timestamptz, tags text[] default null, but_for uuid default null)
returns jsonb
language plpgsql stable security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
    caller    constant uuid := auth.uid();
    standings jsonb;
begin
    if given is null or as_of is null then
        raise exception 'given and as_of must not be null' using errcode = '22004';
    end if;
    if jsonb_typeof(given) <> 'array' or not isfinite(as_of) then
        raise exception 'given must be an array, and as_of a time' using errcode = '22023';
    end if;
    with limits as (
        select 0 as place, g.period, coalesce(g.tag, '') as tag, g.limit_pico, g.on_breach, 'config' as set_by
        from jsonb_to_recordset(given) as g (period text, tag text, limit_pico bigint, on_breach text)
        where g.period in ('day', 'month')
        union all
        select 1, b.period, b.tag, b.limit_pico, b.on_breach, b.set_by
        from public.budgets b
        where b.user_id = caller)
    select coalesce(jsonb_agg(
        jsonb_build_object(
            'period', l.period, 'tag', nullif(l.tag, ''), 'limit_pico', l.limit_pico, 'on_breach', l.on_breach,
            'set_by', l.set_by,
            'spent_pico', least(greatest(s.spent, -9223372036854775808), 9223372036854775807)::bigint,
            'reserved_pico', least(r.reserved, 9223372036854775807)::bigint)
        order by l.place, l.period, l.tag, l.set_by, l.limit_pico), '[]')
    into standings
    from limits l
    cross join lateral (
        select date_trunc(l.period, as_of at time zone 'UTC') as first_at) f
    cross join lateral (
        select f.first_at + case l.period when 'day' then interval '1 day' else interval '1 month' end as end_at) e
    cross join lateral (
        select coalesce(sum(b.spent_pico), 0) as spent
        from public.budget_spend b
        where b.user_id = caller and b.tag = l.tag
          and b.day >= f.first_at::date - date '1970-01-01' and b.day < e.end_at::date - date '1970-01-01') s
    cross join lateral (
        select coalesce(sum(b.amount_pico), 0) as reserved
        from public.budget_reservations b
        where b.user_id = caller and b.expires_at > now() and b.request_id is distinct from but_for
          and b.created_at at time zone 'UTC' >= f.first_at and b.created_at at time zone 'UTC' < e.end_at
          and (l.tag = '' or l.tag = any(b.tags))) r
    where budget_standings.tags is null or l.tag = '' or l.tag = any(budget_standings.tags);
    return standings;
end $$;

-- Writes the intent of a request and reserves its `worst_case_pico`, in one step; neither where that would pass a limit
-- that does more than warn. Returns {is_admitted, standings}: how its limits stood without it. `ask` is {limits, owner,
-- lease_seconds}; the limits are as in `budget_standings`. The database's clock ends reservations; the request's own
-- time says which day and month it is of. Who asks again replaces what was reserved.
create function public.reserve_budget(request jsonb, ask jsonb) returns jsonb
language plpgsql volatile security invoker
set search_path = ''
as $$
declare
    caller       constant uuid := auth.uid();
    longest      constant double precision := 86400;
    reserves_for uuid;
    came_at      timestamptz;
    amount       bigint;
    request_tags text[];
    standings    jsonb;
begin
    if caller is null then
        raise exception 'nobody is signed in' using errcode = '42501';
    end if;
    if jsonb_typeof(request) is distinct from 'object' or jsonb_typeof(ask) is distinct from 'object' then
        raise exception 'request and ask must be objects' using errcode = '22023';
    end if;
    reserves_for := request ->> 'id';
    came_at := request ->> 'created_at';
    amount := greatest(coalesce((request ->> 'worst_case_pico')::bigint, 0), 0);
    select coalesce(array_agg(t.tag), '{}') into request_tags
    from jsonb_array_elements_text(coalesce(request -> 'tags', '[]')) as t (tag);
    if reserves_for is null or came_at is null then
        raise exception 'a request has an id and a created_at' using errcode = '22004';
    end if;

    -- One at a time, so that each sees what the one before has reserved.
    perform pg_advisory_xact_lock(hashtextextended('budget ' || caller::text, 0));
    standings := public.budget_standings(coalesce(ask -> 'limits', '[]'), came_at, request_tags, reserves_for);
    if exists (
        select from jsonb_to_recordset(standings)
            as s (on_breach text, limit_pico bigint, spent_pico bigint, reserved_pico bigint)
        where s.on_breach is distinct from 'warn'
          and s.spent_pico::numeric + s.reserved_pico + amount > s.limit_pico) then
        return jsonb_build_object('is_admitted', false, 'standings', standings);
    end if;
    perform public.record_request(request);
    delete from public.budget_reservations r where r.user_id = caller and r.expires_at <= now();
    insert into public.budget_reservations as k (user_id, request_id, amount_pico, created_at, tags, owner, expires_at)
    select caller, r.id, amount, came_at, request_tags, coalesce(ask ->> 'owner', ''),
           now() + make_interval(secs => least(
               greatest(coalesce((ask ->> 'lease_seconds')::double precision, 0), 0), longest))
    from public.requests r
    -- Its end may have come before it.
    where r.user_id = caller and r.id = reserves_for and r.status = 'intent'
    on conflict (user_id, request_id) do update set
        amount_pico = excluded.amount_pico, expires_at = excluded.expires_at;
    return jsonb_build_object('is_admitted', true, 'standings', standings);
end $$;

-- Keeps a limit in place of the one of the same period and tag that the same surface set. One that a model set (`tool`)
-- can only become tighter; in the order of letters the strictest `on_breach` comes first.
create function public.set_budget(period text, tag text, set_by text, limit_pico bigint, on_breach text) returns void
language sql volatile security invoker
set search_path = ''
as $$
    insert into public.budgets as b (user_id, period, tag, set_by, limit_pico, on_breach)
    values (
        auth.uid(), set_budget.period, coalesce(set_budget.tag, ''), set_budget.set_by, set_budget.limit_pico,
        set_budget.on_breach)
    on conflict (user_id, period, tag, set_by) do update set
        limit_pico = case when excluded.set_by = 'tool' then least(b.limit_pico, excluded.limit_pico)
                          else excluded.limit_pico end,
        on_breach = case when excluded.set_by = 'tool' then least(b.on_breach, excluded.on_breach)
                         else excluded.on_breach end,
        updated_at = now()
$$;

-- Takes the kept limits of a period and tag away, whoever set them; says whether there were any.
create function public.remove_budget(period text, tag text) returns boolean
language plpgsql volatile security invoker
set search_path = ''
as $$
begin
    delete from public.budgets b
    where b.user_id = (select auth.uid()) and b.period = remove_budget.period
      and b.tag = coalesce(remove_budget.tag, '');
    return found;
end $$;

create or replace function public.schema_version() returns integer
language sql stable security invoker set search_path = '' as 'select 12';

do $$
declare
    made regprocedure;
begin
    foreach made in array array[
        'public.settle_budget(uuid)',
        'public.keep_budget_spend()',
        'public.daily_spend(timestamptz, timestamptz)',
        'public.budget_standings(jsonb, timestamptz, text[], uuid)',
        'public.reserve_budget(jsonb, jsonb)',
        'public.set_budget(text, text, text, bigint, text)',
        'public.remove_budget(text, text)']::regprocedure[]
    loop
        execute format('revoke all on function %s from public, anon, service_role', made);
        execute format('grant execute on function %s to authenticated', made);
    end loop;
end $$;

notify pgrst, 'reload schema';

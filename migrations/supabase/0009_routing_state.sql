-- What routing learns from all outcomes together, beside those of similar prompts.

do $$
begin
    perform pg_advisory_xact_lock(hashtextextended('ai-cost-optimizer migrations', 0));
    -- Who waited has the functions of before in its cache until it opens a table.
    perform from pg_catalog.pg_proc where false;
    if public.schema_version() <> 8 then
        raise exception 'this migration follows 8, and the database is at %', public.schema_version()
            using errcode = '55000', hint = 'apply only the files whose number is above that of public.schema_version()';
    end if;
end $$;

-- What was expected of each candidate, until its outcome is known.
alter table public.requests add column forecast text check (octet_length(forecast) <= 100000);

create index requests_by_session on public.requests (user_id, session) where session is not null;

-- Sums that are added to outcome by outcome; the program writes and reads them.
create table public.routing_state (
    user_id               uuid    not null default auth.uid() references auth.users (id) on delete cascade,
    embedder_fingerprint  text    not null check (octet_length(embedder_fingerprint) <= 1000),
    -- Counts up, so that of two who add to the same sums the later one sees it and adds again.
    revision              bigint  not null check (revision > 0),
    state                 bytea   not null check (octet_length(state) <= 8000000),
    primary key (user_id, embedder_fingerprint)
);

do $$
declare
    own constant text := '((select auth.uid() limit public.one_caller()) = user_id)';
begin
    alter table public.routing_state enable row level security;
    alter table public.routing_state force row level security;
    execute format('create policy routing_state_select on public.routing_state for select to authenticated using %s', own);
    execute format(
        'create policy routing_state_insert on public.routing_state for insert to authenticated with check %s', own);
    execute format(
        'create policy routing_state_update on public.routing_state for update to authenticated using %s with check %s',
        own, own);
    execute format('create policy routing_state_delete on public.routing_state for delete to authenticated using %s', own);
    revoke all on public.routing_state from public, anon, authenticated;
    grant select, insert, update, delete on public.routing_state to authenticated;
end $$;

-- Reads what was learned under an embedder, and how many scored outcomes a session has, as {state, revision, of_session};
-- before the first a state of null and a revision of 0.
create function public.routing_state_of(embedder_fingerprint text, session text default null) returns jsonb
language sql stable security invoker
set search_path = ''
as $$
    select jsonb_build_object(
        'state', s.state,
        'revision', coalesce(s.revision, 0),
        'of_session', (
            select count(*)
            from public.requests r
            join public.routing_feedback f on f.user_id = r.user_id and f.request_id = r.id
            where r.user_id = (select auth.uid()) and r.session = routing_state_of.session and f.score is not null))
    from (select (select auth.uid()) as caller) c
    left join public.routing_state s
        on s.user_id = c.caller and s.embedder_fingerprint = routing_state_of.embedder_fingerprint
$$;

-- Replaces what was learned with what a request added to it, and takes the request's forecast away, so that none is
-- learned from twice. Returns whether that is done, now or before; not where somebody else has replaced it since
-- `revision`, which is 0 before the first.
create function public.save_routing_state(
    embedder_fingerprint text, state bytea, revision bigint, learned_from uuid)
returns boolean
language plpgsql volatile security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
    caller constant uuid := auth.uid();
begin
    if caller is null then
        raise exception 'nobody is signed in' using errcode = '42501';
    end if;
    perform from public.requests r
    where r.user_id = caller and r.id = learned_from and r.forecast is not null for update;
    if not found then
        return true;
    end if;
    if save_routing_state.revision = 0 then
        insert into public.routing_state (user_id, embedder_fingerprint, revision, state)
        values (caller, save_routing_state.embedder_fingerprint, 1, save_routing_state.state)
        on conflict do nothing;
    else
        update public.routing_state s set state = save_routing_state.state, revision = s.revision + 1
        where s.user_id = caller and s.embedder_fingerprint = save_routing_state.embedder_fingerprint
          and s.revision = save_routing_state.revision;
    end if;
    if not found then
        return false;
    end if;
    update public.requests r set forecast = null where r.user_id = caller and r.id = learned_from;
    return true;
end $$;

drop function public.nearest_outcomes(extensions.vector, text, integer);

-- Finds how the models that were asked similar prompts did, nearest prompt first, each with the session of its request.
--
-- `record_request` keeps some 20,000 scored rows of a user, few enough to compare one by one.
create function public.nearest_outcomes(
    query_embedding extensions.vector, embedder_fingerprint text, match_count integer)
returns table (
    similarity double precision, provider text, model text, score double precision, source text,
    created_at timestamptz, session text)
language plpgsql stable security invoker
set search_path = ''
as $$
#variable_conflict use_column
begin
    if query_embedding is null or match_count is null then
        raise exception 'query_embedding and match_count must not be null' using errcode = '22004';
    end if;
    if extensions.vector_dims(query_embedding) <> 384 or extensions.vector_norm(query_embedding) = 0 then
        raise exception 'query_embedding is no direction of 384 dimensions' using errcode = '22000';
    end if;
    return query
        with own as materialized (
            select f.embedding operator(extensions.<=>) query_embedding as distance, f.request_id, f.provider, f.model,
                   f.score, f.source, f.created_at
            from public.routing_feedback f
            where f.user_id = (select auth.uid())
              and f.embedder_fingerprint = nearest_outcomes.embedder_fingerprint
              and f.score is not null),
        nearest as (
            select * from own o
            order by o.distance, o.created_at desc
            limit greatest(least(match_count, 1000), 0))
        select 1 - n.distance, n.provider, n.model, n.score, n.source, n.created_at, r.session
        from nearest n
        left join public.requests r on r.user_id = (select auth.uid()) and r.id = n.request_id
        order by n.distance, n.created_at desc;
end $$;

create or replace function public.schema_version() returns integer
language sql stable security invoker set search_path = '' as 'select 9';

do $$
declare
    made regprocedure;
begin
    foreach made in array array[
        'public.routing_state_of(text, text)',
        'public.save_routing_state(text, bytea, bigint, uuid)',
        'public.nearest_outcomes(extensions.vector, text, integer)']::regprocedure[]
    loop
        execute format('revoke all on function %s from public, anon, service_role', made);
        execute format('grant execute on function %s to authenticated', made);
    end loop;
end $$;

notify pgrst, 'reload schema';

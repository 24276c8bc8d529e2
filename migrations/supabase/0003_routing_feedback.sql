-- Models that were asked for a request, and how well each did, once that is known: what routing learns from.

do $$
begin
    perform pg_advisory_xact_lock(hashtextextended('ai-cost-optimizer migrations', 0));
    -- Who waited has the functions of before in its cache until it opens a table.
    perform from pg_catalog.pg_proc where false;
    if public.schema_version() <> 2 then
        raise exception 'this migration follows 2, and the database is at %', public.schema_version()
            using errcode = '55000', hint = 'apply only the files whose number is above that of public.schema_version()';
    end if;
end $$;

create table public.routing_feedback (
    user_id               uuid        not null default auth.uid() references auth.users (id) on delete cascade,
    request_id            uuid        not null,
    provider              text        not null,
    model                 text        not null,
    embedder_fingerprint  text,
    embedding             extensions.vector(384) check (extensions.vector_norm(embedding) > 0),
    score                 double precision check (score between 0 and 1),
    source                text        check (source in ('rating', 'automatic')),
    created_at            timestamptz not null,
    primary key (user_id, request_id, provider, model),
    check ((embedding is null) = (embedder_fingerprint is null)),
    check ((score is null) = (source is null)),
    foreign key (user_id, request_id) references public.requests (user_id, id) on delete cascade
);

-- A search reads all vectors of one user.
alter table public.routing_feedback alter column embedding set storage plain;

create index routing_feedback_by_user on public.routing_feedback (user_id);
create index routing_feedback_scored on public.routing_feedback (user_id, embedder_fingerprint, created_at)
    where score is not null;
create index routing_feedback_unscored on public.routing_feedback (user_id, created_at) where score is null;

alter table public.routing_feedback enable row level security;
alter table public.routing_feedback force row level security;
create policy routing_feedback_select on public.routing_feedback for select to authenticated
    using ((select auth.uid()) = user_id);
create policy routing_feedback_insert on public.routing_feedback for insert to authenticated
    with check ((select auth.uid()) = user_id);
create policy routing_feedback_update on public.routing_feedback for update to authenticated
    using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
create policy routing_feedback_delete on public.routing_feedback for delete to authenticated
    using ((select auth.uid()) = user_id);
revoke all on public.routing_feedback from public, anon, authenticated;
grant select, insert, update, delete on public.routing_feedback to authenticated;

-- Finds how the models that were asked similar prompts did, nearest prompt first.
--
-- `record_request` keeps some 20,000 scored rows of a user, few enough to compare one by one.
create function public.nearest_outcomes(
    query_embedding extensions.vector, embedder_fingerprint text, match_count integer)
returns table (
    similarity double precision, provider text, model text, score double precision, source text,
    created_at timestamptz)
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
            select f.embedding operator(extensions.<=>) query_embedding as distance, f.provider, f.model, f.score,
                   f.source, f.created_at
            from public.routing_feedback f
            where f.user_id = (select auth.uid())
              and f.embedder_fingerprint = nearest_outcomes.embedder_fingerprint
              and f.score is not null)
        select 1 - o.distance, o.provider, o.model, o.score, o.source, o.created_at
        from own o
        order by o.distance, o.created_at desc
        limit greatest(least(match_count, 1000), 0);
end $$;

-- Says whether `nearest_outcomes` could find any.
create function public.has_outcomes() returns boolean
language sql stable security invoker
set search_path = ''
as $$
    select exists (
        select from public.routing_feedback f
        where f.user_id = (select auth.uid()) and f.score is not null and f.embedder_fingerprint is not null)
$$;

create or replace function public.schema_version() returns integer
language sql immutable security invoker set search_path = '' as 'select 3';

revoke all on function public.nearest_outcomes(extensions.vector, text, integer), public.has_outcomes()
    from public, anon, service_role;
grant execute on function public.nearest_outcomes(extensions.vector, text, integer), public.has_outcomes()
    to authenticated;

notify pgrst, 'reload schema';

-- The tables of requests and cached answers. Money: pico-dollars. Hashes: 32 bytes. Names as in `../local`.
--
-- Every row belongs to the user who wrote it, and nobody else sees it: row-level security is forced on each table,
-- and no function runs with more rights than its caller.

do $$
begin
    perform pg_advisory_xact_lock(hashtextextended('ai-cost-optimizer migrations', 0));
    -- Who waited has the functions of before in its cache until it opens a table.
    perform from pg_catalog.pg_proc where false;
    if to_regprocedure('public.schema_version()') is not null then
        raise exception 'this migration is applied already' using errcode = '55000',
            hint = 'apply only the files whose number is above that of public.schema_version()';
    end if;
end $$;

create schema if not exists extensions;
create extension if not exists vector with schema extensions;

do $$
declare
    found text := (select extversion from pg_catalog.pg_extension where extname = 'vector');
    place text := (select n.nspname from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
                   where e.extname = 'vector');
begin
    if place <> 'extensions' then
        raise exception 'the extension vector is in the schema %, not in extensions', place using errcode = '55000',
            hint = 'alter extension vector set schema extensions';
    end if;
    if string_to_array(substring(found from '^\d+\.\d+'), '.')::int[] < array[0, 8] then
        raise exception 'the extension vector has version %, 0.8 is needed', found using errcode = '55000',
            hint = 'alter extension vector update';
    end if;
end $$;

create table public.requests (
    user_id               uuid        not null default auth.uid() references auth.users (id) on delete cascade,
    id                    uuid        not null,
    created_at            timestamptz not null,
    status                text        not null check (status in ('intent', 'completed', 'failed')),
    prompt_sha256         bytea       not null check (octet_length(prompt_sha256) = 32),
    session               text,
    tags                  text[]      not null default '{}' check (array_position(tags, null) is null),
    quality               text        not null,
    strategy              text        not null,
    complexity_score      double precision check (complexity_score between 0 and 1),
    complexity_tier       text,
    confidence            text,
    reason                text        not null,
    source                text,
    provider              text,
    model                 text,
    input_tokens          bigint      not null default 0 check (input_tokens >= 0),
    cached_input_tokens   bigint      not null default 0 check (cached_input_tokens >= 0),
    cache_write_tokens    bigint      not null default 0 check (cache_write_tokens >= 0),
    cache_write_1h_tokens bigint      not null default 0 check (cache_write_1h_tokens >= 0),
    output_tokens         bigint      not null default 0 check (output_tokens >= 0),
    reasoning_tokens      bigint      not null default 0 check (reasoning_tokens >= 0),
    cost_pico             bigint,
    cost_estimated        boolean     not null default false,
    worst_case_pico       bigint,
    baseline_provider     text,
    baseline_model        text,
    baseline_cost_pico    bigint,
    saved_pico            bigint,
    latency_ms            bigint      not null default 0 check (latency_ms >= 0),
    provider_latency_ms   bigint      not null default 0 check (provider_latency_ms >= 0),
    finish_reason         text,
    attempts              jsonb       not null default '[]' check (jsonb_typeof(attempts) = 'array'),
    cache_entry_id        uuid,
    similarity            real        check (similarity between -1 and 1),
    cache_age_seconds     bigint      check (cache_age_seconds >= 0),
    cache_score           double precision check (cache_score between 0 and 1),
    error                 text,
    primary key (user_id, id)
);

create index requests_by_time on public.requests (user_id, created_at);

create table public.response_cache (
    user_id               uuid        not null default auth.uid() references auth.users (id) on delete cascade,
    id                    uuid        not null,
    scope_hash            bytea       not null check (octet_length(scope_hash) = 32),
    prompt_sha256         bytea       not null check (octet_length(prompt_sha256) = 32),
    prompt_text           text,
    embedder_fingerprint  text,
    embedding             extensions.vector(384) check (extensions.vector_norm(embedding) > 0),
    response_text         text        not null,
    provider              text        not null,
    model                 text        not null,
    input_tokens          bigint      not null default 0 check (input_tokens >= 0),
    cached_input_tokens   bigint      not null default 0 check (cached_input_tokens >= 0),
    cache_write_tokens    bigint      not null default 0 check (cache_write_tokens >= 0),
    output_tokens         bigint      not null default 0 check (output_tokens >= 0),
    reasoning_tokens      bigint      not null default 0 check (reasoning_tokens >= 0),
    cost_pico             bigint,
    finish_reason         text        not null,
    request_id            uuid        not null,
    created_at            timestamptz not null,
    expires_at            timestamptz not null,
    hit_count             bigint      not null default 0 check (hit_count >= 0),
    approval_sum          double precision not null default 0,
    rating_count          bigint      not null default 0 check (rating_count >= 0),
    retired_at            timestamptz,
    primary key (user_id, id),
    unique (user_id, scope_hash, prompt_sha256),
    check ((embedding is null) = (embedder_fingerprint is null)),
    foreign key (user_id, request_id) references public.requests (user_id, id) on delete cascade
)
-- Room in each page for one new version of a row: counting a hit then leaves all indexes alone.
with (fillfactor = 75);

-- A search reads the vectors of many rows and the text of few: the vectors stay in the row, long texts move out.
alter table public.response_cache alter column embedding set storage plain;

create index response_cache_by_user on public.response_cache (user_id);
create index response_cache_by_scope on public.response_cache (user_id, scope_hash, embedder_fingerprint);
create index response_cache_by_request on public.response_cache (user_id, request_id);
create index response_cache_by_expiry on public.response_cache (user_id, expires_at);
create index response_cache_by_embedding on public.response_cache
    using hnsw (embedding extensions.vector_cosine_ops) with (m = 16, ef_construction = 64);

create table public.response_feedback (
    user_id               uuid        not null default auth.uid() references auth.users (id) on delete cascade,
    request_id            uuid        not null,
    cache_entry_id        uuid,
    score                 double precision not null check (score between 0 and 1),
    verdict               text,
    comment               text,
    created_at            timestamptz not null,
    primary key (user_id, request_id),
    foreign key (user_id, request_id) references public.requests (user_id, id) on delete cascade
);

create index response_feedback_by_entry on public.response_feedback (user_id, cache_entry_id);

-- The live line of a finished request. Realtime tells every subscriber the primary key of a deleted row, whoever
-- owned it: so the key is a random number that is used nowhere else, and the row has no text of anybody's.
create table public.routing_metrics (
    id                    uuid        primary key default gen_random_uuid(),
    user_id               uuid        not null default auth.uid() references auth.users (id) on delete cascade,
    created_at            timestamptz not null,
    status                text        not null check (status in ('completed', 'failed')),
    quality               text        not null,
    strategy              text        not null,
    complexity_tier       text,
    source                text,
    provider              text,
    model                 text,
    input_tokens          bigint      not null default 0,
    output_tokens         bigint      not null default 0,
    cost_pico             bigint,
    cost_estimated        boolean     not null default false,
    baseline_cost_pico    bigint,
    saved_pico            bigint,
    latency_ms            bigint      not null default 0,
    provider_latency_ms   bigint      not null default 0,
    similarity            real
);

create index routing_metrics_by_time on public.routing_metrics (user_id, created_at);

create view public.value_metrics with (security_invoker = true) as
select user_id, id as request_id, created_at, baseline_provider, baseline_model, baseline_cost_pico, cost_pico,
       saved_pico
from public.requests
where saved_pico is not null;

do $$
declare
    name text;
begin
    foreach name in array array['requests', 'response_cache', 'response_feedback', 'routing_metrics'] loop
        execute format('alter table public.%I enable row level security', name);
        execute format('alter table public.%I force row level security', name);
        execute format('create policy %I on public.%I for select to authenticated
            using ((select auth.uid()) = user_id)', name || '_select', name);
        execute format('create policy %I on public.%I for insert to authenticated
            with check ((select auth.uid()) = user_id)', name || '_insert', name);
        execute format('create policy %I on public.%I for update to authenticated
            using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id)', name || '_update', name);
        execute format('create policy %I on public.%I for delete to authenticated
            using ((select auth.uid()) = user_id)', name || '_delete', name);
        -- The platform's default privileges give everybody everything, TRUNCATE, which knows no policies, included.
        execute format('revoke all on public.%I from public, anon, authenticated', name);
        execute format('grant select, insert, update, delete on public.%I to authenticated', name);
    end loop;
end $$;

revoke all on public.value_metrics from public, anon, authenticated;
grant select on public.value_metrics to authenticated;

-- Realtime sends the changes of the tables in this publication; a database without Realtime has none.
do $$
begin
    if exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime' and not puballtables) then
        alter publication supabase_realtime add table public.routing_metrics;
    end if;
exception when insufficient_privilege then
    raise warning 'routing_metrics is not published: % does not own the publication supabase_realtime', current_user
        using hint = 'as its owner: alter publication supabase_realtime add table public.routing_metrics';
end $$;

-- Says which migration was applied last; a client compares it with what it knows.
create function public.schema_version() returns integer
language sql immutable security invoker set search_path = '' as 'select 1';

revoke all on function public.schema_version() from public, anon;
grant execute on function public.schema_version() to authenticated;

notify pgrst, 'reload schema';

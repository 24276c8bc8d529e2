-- Finding, counting and forgetting cached answers. The user is always the caller, never an argument.

do $$
begin
    perform pg_advisory_xact_lock(hashtextextended('ai-cost-optimizer migrations', 0));
    -- Who waited has the functions of before in its cache until it opens a table.
    perform from pg_catalog.pg_proc where false;
    if public.schema_version() <> 1 then
        raise exception 'this migration follows 1, and the database is at %', public.schema_version()
            using errcode = '55000', hint = 'apply only the files whose number is above that of public.schema_version()';
    end if;
end $$;

-- Finds the servable answer to exactly a prompt.
create function public.find_cache_entry(scope_hash bytea, prompt_sha256 bytea, as_of timestamptz default now())
returns table (
    id uuid, prompt_text text, response_text text, provider text, model text, input_tokens bigint, cached_input_tokens bigint,
    cache_write_tokens bigint, output_tokens bigint, reasoning_tokens bigint, cost_pico bigint, finish_reason text,
    request_id uuid, created_at timestamptz, expires_at timestamptz)
language sql stable security invoker
set search_path = ''
as $$
    select c.id, c.prompt_text, c.response_text, c.provider, c.model, c.input_tokens, c.cached_input_tokens,
           c.cache_write_tokens, c.output_tokens, c.reasoning_tokens, c.cost_pico, c.finish_reason, c.request_id, c.created_at, c.expires_at
    from public.response_cache c
    where c.user_id = (select auth.uid())
      and c.scope_hash = find_cache_entry.scope_hash
      and c.prompt_sha256 = find_cache_entry.prompt_sha256
      and c.expires_at > coalesce(as_of, now())
      and c.retired_at is null
$$;

-- Loads the library, without which only a superuser may name its settings.
select '[1]'::extensions.vector;

-- Finds the servable answers of a scope nearest to an embedding, nearest first.
--
-- Few rows of a scope are compared one by one, at a microsecond each: right whatever else the table holds, and no
-- slower than an index that must walk past other people's rows. Few are up to 1,000, and more in a table so large that
-- the scope is a small part of it. Above that the index is walked, further and further, until it has found enough rows
-- of the scope; where it gives up early, the rows are compared one by one after all. Its list of candidates grows with
-- the table, from 100 places to 600: among 1,000,000 rows it missed none of 400 nearest rows with 600, and 7 of 100
-- with 200; among 206,592 embeddings of questions none of 200 with 200.
create function public.match_cache_entries(
    query_embedding extensions.vector, match_threshold double precision, match_count integer,
    scope_hash bytea, embedder_fingerprint text, as_of timestamptz default now())
returns table (
    similarity double precision, id uuid, prompt_sha256 bytea, prompt_text text, response_text text, provider text,
    model text, input_tokens bigint, cached_input_tokens bigint, cache_write_tokens bigint, output_tokens bigint,
    reasoning_tokens bigint, cost_pico bigint, finish_reason text, request_id uuid, created_at timestamptz,
    expires_at timestamptz)
language plpgsql stable security invoker
set search_path = ''
set hnsw.iterative_scan = 'strict_order'
set hnsw.ef_search = 100
set plan_cache_mode = 'force_custom_plan'
as $$
#variable_conflict use_column
declare
    table_rows  constant double precision := (
        select greatest(c.reltuples, 0) from pg_catalog.pg_class c where c.oid = 'public.response_cache'::regclass);
    exact_rows  constant integer := least(20000, greatest(1000, sqrt(100 * table_rows)));
    caller      constant uuid := auth.uid();
    moment      constant timestamptz := coalesce(as_of, now());
    wanted      integer := least(match_count, 200);
    found_rows  bigint;
    ids         uuid[];
    distances   double precision[];
begin
    if query_embedding is null or match_count is null then
        raise exception 'query_embedding and match_count must not be null' using errcode = '22004';
    end if;
    if extensions.vector_dims(query_embedding) <> 384 then
        raise exception 'query_embedding has % dimensions, not 384', extensions.vector_dims(query_embedding)
            using errcode = '22000';
    end if;
    if extensions.vector_norm(query_embedding) = 0 then
        raise exception 'query_embedding has no direction' using errcode = '22000';
    end if;
    if wanted < 1 then
        return;
    end if;

    select count(*) into found_rows from (
        select from public.response_cache c
        where c.user_id = caller
          and c.scope_hash = match_cache_entries.scope_hash
          and c.embedder_fingerprint = match_cache_entries.embedder_fingerprint
        limit exact_rows + 1) as rows_of_scope;

    if found_rows > exact_rows then
        perform set_config('hnsw.ef_search', least(600, greatest(100, 0.6 * sqrt(table_rows)))::integer::text, true);
        with nearest as materialized (
            select c.id, c.embedding operator(extensions.<=>) query_embedding as distance
            from public.response_cache c
            where c.user_id = caller
              and c.scope_hash = match_cache_entries.scope_hash
              and c.embedder_fingerprint = match_cache_entries.embedder_fingerprint
              and c.expires_at > moment
              and c.retired_at is null
            order by c.embedding operator(extensions.<=>) query_embedding
            limit wanted)
        select array_agg(n.id order by n.distance), array_agg(n.distance order by n.distance)
        into ids, distances
        from nearest n;
    end if;
    if coalesce(cardinality(ids), 0) < wanted then
        -- Kept apart from its ordering, so that no index that is ordered by distance is walked.
        with own as materialized (
            select c.id, c.embedding operator(extensions.<=>) query_embedding as distance
            from public.response_cache c
            where c.user_id = caller
              and c.scope_hash = match_cache_entries.scope_hash
              and c.embedder_fingerprint = match_cache_entries.embedder_fingerprint
              and c.expires_at > moment
              and c.retired_at is null),
        nearest as (select o.id, o.distance from own o order by o.distance limit wanted)
        select array_agg(n.id order by n.distance), array_agg(n.distance order by n.distance)
        into ids, distances
        from nearest n;
    end if;

    -- The threshold comes last: beside the ordering it would send the index on looking for rows that are near enough.
    return query
        select 1 - n.distance, c.id, c.prompt_sha256, c.prompt_text, c.response_text, c.provider, c.model,
               c.input_tokens, c.cached_input_tokens, c.cache_write_tokens, c.output_tokens, c.reasoning_tokens, c.cost_pico,
               c.finish_reason, c.request_id, c.created_at, c.expires_at
        from unnest(ids, distances) as n (id, distance)
        join public.response_cache c on c.user_id = caller and c.id = n.id
        where match_threshold is null or 1 - n.distance >= match_threshold
        order by n.distance, c.id;
end $$;

-- Counts that an answer was served where nothing else is recorded; `record_request` counts by itself. Returns the
-- new count.
create function public.record_cache_hit(entry_id uuid) returns bigint
language plpgsql volatile security invoker
set search_path = ''
as $$
declare
    hits bigint;
begin
    update public.response_cache c set hit_count = c.hit_count + 1
    where c.user_id = (select auth.uid()) and c.id = entry_id
    returning c.hit_count into hits;
    if hits is null then
        raise sqlstate 'PT404' using message = 'the cached answer is not known';
    end if;
    return hits;
end $$;

-- Deletes, or with `dry_run` only counts, the cached answers that exactly one wish names: the one that a request was
-- answered with or bought, those at least so similar to an embedding, those older than a time, or everything.
create function public.forget_cache(
    request_id uuid default null, query_embedding extensions.vector default null,
    embedder_fingerprint text default null, min_similarity double precision default null,
    older_than timestamptz default null, everything boolean default false, dry_run boolean default false)
returns bigint
language plpgsql volatile security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
    caller  constant uuid := auth.uid();
    wishes  constant integer := num_nonnulls(request_id, query_embedding, older_than) + coalesce(everything, false)::int;
    ids     uuid[];
begin
    if wishes <> 1 then
        raise exception 'forget_cache takes exactly one of request_id, query_embedding, older_than and everything'
            using errcode = '22023';
    end if;
    if query_embedding is not null then
        if embedder_fingerprint is null or min_similarity is null then
            raise exception 'query_embedding needs embedder_fingerprint and min_similarity' using errcode = '22004';
        end if;
        if extensions.vector_dims(query_embedding) <> 384 or extensions.vector_norm(query_embedding) = 0 then
            raise exception 'query_embedding is no direction of 384 dimensions' using errcode = '22000';
        end if;
        select array_agg(c.id) into ids from public.response_cache c
        where c.user_id = caller
          and c.embedder_fingerprint = forget_cache.embedder_fingerprint
          and 1 - (c.embedding operator(extensions.<=>) query_embedding) >= min_similarity;
    elsif forget_cache.request_id is not null then
        select array_agg(c.id) into ids from public.response_cache c
        where c.user_id = caller
          and (c.request_id = forget_cache.request_id
               or c.id = (select r.cache_entry_id from public.requests r
                          where r.user_id = caller and r.id = forget_cache.request_id));
    else
        select array_agg(c.id) into ids from public.response_cache c
        where c.user_id = caller and (everything or c.created_at < older_than);
    end if;
    if dry_run is not true then
        delete from public.response_cache c where c.user_id = caller and c.id = any (ids);
    end if;
    return coalesce(cardinality(ids), 0);
end $$;

-- Counts what the caller's cache holds, and how often it was served.
create function public.get_user_cache_stats(as_of timestamptz default now())
returns table (entries bigint, expired_entries bigint, retired_entries bigint, hits bigint)
language sql stable security invoker
set search_path = ''
as $$
    select count(*) filter (where c.retired_at is null and c.expires_at > coalesce(as_of, now())),
           count(*) filter (where c.retired_at is null and c.expires_at <= coalesce(as_of, now())),
           count(*) filter (where c.retired_at is not null),
           coalesce(sum(c.hit_count), 0)::bigint
    from public.response_cache c
    where c.user_id = (select auth.uid())
$$;

create or replace function public.schema_version() returns integer
language sql immutable security invoker set search_path = '' as 'select 2';

do $$
declare
    made regprocedure;
begin
    foreach made in array array[
        'public.find_cache_entry(bytea, bytea, timestamptz)',
        'public.match_cache_entries(extensions.vector, double precision, integer, bytea, text, timestamptz)',
        'public.record_cache_hit(uuid)',
        'public.forget_cache(uuid, extensions.vector, text, double precision, timestamptz, boolean, boolean)',
        'public.get_user_cache_stats(timestamptz)']::regprocedure[]
    loop
        execute format('revoke all on function %s from public, anon, service_role', made);
        execute format('grant execute on function %s to authenticated', made);
    end loop;
end $$;

notify pgrst, 'reload schema';

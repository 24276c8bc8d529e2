-- What the cache learns of its wrong answers: labels of its decisions, pairs that are never served again, and audits,
-- which are hits that were paid for to learn from. And a bound for the answers that are kept.

do $$
begin
    perform pg_advisory_xact_lock(hashtextextended('ai-cost-optimizer migrations', 0));
    -- Who waited has the functions of before in its cache until it opens a table.
    perform from pg_catalog.pg_proc where false;
    if public.schema_version() <> 7 then
        raise exception 'this migration follows 7, and the database is at %', public.schema_version()
            using errcode = '55000', hint = 'apply only the files whose number is above that of public.schema_version()';
    end if;
end $$;

alter table public.requests add column is_audit boolean not null default false;

-- The prompt without what means nothing; of several entries that differ in nothing else the newest is found first.
alter table public.response_cache add column normal_sha256 bytea check (octet_length(normal_sha256) = 32);

create index response_cache_by_normal on public.response_cache (user_id, scope_hash, normal_sha256, created_at)
where normal_sha256 is not null;

-- Before a table is analyzed the planner takes a whole scope for one row, and would as soon read it through as look a
-- prompt up: so the scopes' index is for those who name an embedder.
drop index public.response_cache_by_scope;
create index response_cache_by_scope on public.response_cache (user_id, scope_hash, embedder_fingerprint)
where embedder_fingerprint is not null;

-- An answer that somebody called wrong for a prompt; it is never served for it again.
create table public.negative_pairs (
    user_id               uuid        not null default auth.uid() references auth.users (id) on delete cascade,
    prompt_sha256         bytea       not null check (octet_length(prompt_sha256) = 32),
    cache_entry_id        uuid        not null,
    created_at            timestamptz not null default now(),
    primary key (user_id, prompt_sha256, cache_entry_id),
    foreign key (user_id, cache_entry_id) references public.response_cache (user_id, id) on delete cascade
);

create index negative_pairs_by_entry on public.negative_pairs (user_id, cache_entry_id);

-- Labels of a scope, by epoch and cell.
create table public.calibration (
    user_id               uuid        not null default auth.uid() references auth.users (id) on delete cascade,
    scope_hash            bytea       not null check (octet_length(scope_hash) = 32),
    embedder_fingerprint  text        not null check (octet_length(embedder_fingerprint) <= 1000),
    epoch                 integer     not null check (epoch >= 0),
    cell                  text        not null check (octet_length(cell) <= 40),
    right_labels          bigint      not null default 0 check (right_labels >= 0),
    wrong_labels          bigint      not null default 0 check (wrong_labels >= 0),
    undecided_labels      bigint      not null default 0 check (undecided_labels >= 0),
    audits                bigint      not null default 0 check (audits >= 0),
    primary key (user_id, scope_hash, embedder_fingerprint, epoch, cell)
);

-- The present epoch of a scope; one without a row is in its first, 0.
create table public.calibration_epochs (
    user_id               uuid        not null default auth.uid() references auth.users (id) on delete cascade,
    scope_hash            bytea       not null check (octet_length(scope_hash) = 32),
    embedder_fingerprint  text        not null check (octet_length(embedder_fingerprint) <= 1000),
    epoch                 integer     not null default 0 check (epoch >= 0),
    primary key (user_id, scope_hash, embedder_fingerprint)
);

-- Sums of `calibration` over all scopes, each in its present epoch, kept level by whoever counts a label or ends an
-- epoch, so that a tenant of many scopes is asked for as quickly as one of few. What leaves with an epoch is added as
-- negative numbers.
create table public.calibration_sums (
    user_id               uuid        not null default auth.uid() references auth.users (id) on delete cascade,
    embedder_fingerprint  text        not null check (octet_length(embedder_fingerprint) <= 1000),
    cell                  text        not null check (octet_length(cell) <= 40),
    right_labels          bigint      not null,
    wrong_labels          bigint      not null,
    undecided_labels      bigint      not null,
    audits                bigint      not null,
    primary key (user_id, embedder_fingerprint, cell)
);

do $$
declare
    name text;
    own  constant text := '((select auth.uid() limit public.one_caller()) = user_id)';
begin
    foreach name in array array['negative_pairs', 'calibration', 'calibration_epochs', 'calibration_sums'] loop
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

drop function public.find_cache_entry(bytea, bytea, timestamptz);

-- Finds the servable answer to exactly a prompt, or else, where `normal_sha256` is given, the newest to one of the same
-- normal form; never one that was wrong for the prompt.
create function public.find_cache_entry(
    scope_hash bytea, prompt_sha256 bytea, as_of timestamptz default now(), normal_sha256 bytea default null)
returns table (
    id uuid, prompt_sha256 bytea, normal_sha256 bytea, prompt_text text, response_text text, provider text, model text,
    input_tokens bigint, cached_input_tokens bigint, cache_write_tokens bigint, output_tokens bigint,
    reasoning_tokens bigint, cost_pico bigint, finish_reason text, request_id uuid, created_at timestamptz,
    expires_at timestamptz)
language sql stable security invoker
set search_path = ''
as $$
    with servable as not materialized (
        select c.* from public.response_cache c
        where c.user_id = (select auth.uid())
          and c.scope_hash = find_cache_entry.scope_hash
          and c.expires_at > coalesce(as_of, now())
          and c.retired_at is null
          and not exists (
              select from public.negative_pairs p
              where p.user_id = c.user_id and p.prompt_sha256 = find_cache_entry.prompt_sha256
                and p.cache_entry_id = c.id)),
    found as (
        (select 0 as place, c.* from servable c where c.prompt_sha256 = find_cache_entry.prompt_sha256)
        union all
        (select 1, c.* from servable c where c.normal_sha256 = find_cache_entry.normal_sha256
         order by c.created_at desc limit 1))
    select f.id, f.prompt_sha256, f.normal_sha256, f.prompt_text, f.response_text, f.provider, f.model, f.input_tokens,
           f.cached_input_tokens, f.cache_write_tokens, f.output_tokens, f.reasoning_tokens, f.cost_pico,
           f.finish_reason, f.request_id, f.created_at, f.expires_at
    from found f order by f.place limit 1
$$;

drop function public.match_cache_entries(extensions.vector, double precision, integer, bytea, text, timestamptz);

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
--
-- Those that were wrong for the prompt `query_sha256` are left out, and are not counted.
create function public.match_cache_entries(
    query_embedding extensions.vector, match_threshold double precision, match_count integer,
    scope_hash bytea, embedder_fingerprint text, as_of timestamptz default now(), query_sha256 bytea default null)
returns table (
    similarity double precision, id uuid, prompt_sha256 bytea, normal_sha256 bytea, prompt_text text,
    response_text text, provider text, model text, input_tokens bigint, cached_input_tokens bigint, cache_write_tokens bigint, output_tokens bigint,
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
    wrong_ids   constant uuid[] := array(
        select p.cache_entry_id from public.negative_pairs p
        where p.user_id = caller and p.prompt_sha256 = match_cache_entries.query_sha256);
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
              and c.id <> all (wrong_ids)
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
              and c.retired_at is null
              and c.id <> all (wrong_ids)),
        nearest as (select o.id, o.distance from own o order by o.distance limit wanted)
        select array_agg(n.id order by n.distance), array_agg(n.distance order by n.distance)
        into ids, distances
        from nearest n;
    end if;

    -- The threshold comes last: beside the ordering it would send the index on looking for rows that are near enough.
    return query
        select 1 - n.distance, c.id, c.prompt_sha256, c.normal_sha256, c.prompt_text, c.response_text, c.provider, c.model,
               c.input_tokens, c.cached_input_tokens, c.cache_write_tokens, c.output_tokens, c.reasoning_tokens, c.cost_pico,
               c.finish_reason, c.request_id, c.created_at, c.expires_at
        from unnest(ids, distances) as n (id, distance)
        join public.response_cache c on c.user_id = caller and c.id = n.id
        where match_threshold is null or 1 - n.distance >= match_threshold
        order by n.distance, c.id;
end $$;

-- Where the caller has more than `most` cached answers, deletes a hundredth of so many: those that have expired, then
-- those that save the least money for the bytes that they take. Returns how many.
create function public.evict_cache_entries(most bigint default 100000, as_of timestamptz default now())
returns bigint
language plpgsql volatile security invoker
set search_path = ''
as $$
declare
    caller  constant uuid := auth.uid();
    batch   constant bigint := greatest(1, most / 100);
    entries bigint;
    expired bigint;
    others  bigint;
begin
    if most is null or as_of is null then
        raise exception 'most and as_of must not be null' using errcode = '22004';
    end if;
    if most < 0 then
        raise exception 'most must not be negative' using errcode = '22023';
    end if;
    select count(*) into entries from public.response_cache c where c.user_id = caller;
    if entries <= most then
        return 0;
    end if;
    with gone as materialized (
        select c.id from public.response_cache c
        where c.user_id = caller and c.expires_at <= as_of
        order by c.expires_at limit batch for update skip locked)
    delete from public.response_cache c using gone where c.user_id = caller and c.id = gone.id;
    get diagnostics expired = row_count;
    -- What was paid for an answer is what each hit saves. The lengths of texts are read without the texts.
    with gone as materialized (
        select c.id from public.response_cache c
        where c.user_id = caller
        order by coalesce(c.cost_pico, 0)::double precision * (1 + c.hit_count::double precision)
                     / greatest(1, octet_length(c.response_text) + coalesce(octet_length(c.prompt_text), 0)),
                 c.created_at, c.id
        limit batch - expired for update skip locked)
    delete from public.response_cache c using gone where c.user_id = caller and c.id = gone.id;
    get diagnostics others = row_count;
    return expired + others;
end $$;

-- Writes a request: an intent before a provider is paid, its end after. Returns whether that was new: an intent or
-- an end that was not known.
--
-- `request` has the columns of `requests`. `bought` has those of `response_cache`: an answer that takes the place of
-- older ones to the same prompt. `asked` is {models: [{provider, model, score}], embedder_fingerprint, embedding}: the
-- models that were asked, a score being null until it is known; the embedding is that of `bought` where it is absent.
--
-- An end is never turned back into an intent, in whatever order the two arrive. With the first end, and only then,
-- a hit is counted, the answer is kept and the live line is written.
create or replace function public.record_request(request jsonb, bought jsonb default null, asked jsonb default null)
returns boolean
language plpgsql volatile security invoker
set search_path = ''
as $$
declare
    caller       constant uuid := auth.uid();
    kept_scored  constant integer := 20000;
    kept_others  constant integer := 10000;
    new          public.requests;
    entry        public.response_cache;
    before       text;
    is_new       boolean;
    is_first_end boolean;
begin
    if caller is null then
        raise exception 'nobody is signed in' using errcode = '42501';
    end if;
    if jsonb_typeof(request) is distinct from 'object' then
        raise exception 'request must be an object' using errcode = '22023';
    end if;
    new := jsonb_populate_record(null::public.requests, '{
        "tags": [], "attempts": [], "input_tokens": 0, "cached_input_tokens": 0, "cache_write_tokens": 0,
        "cache_write_1h_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0, "cost_estimated": false,
        "is_audit": false, "latency_ms": 0, "provider_latency_ms": 0}'::jsonb || request);
    new.user_id := caller;

    insert into public.requests select new.* on conflict (user_id, id) do nothing;
    is_new := found;
    is_first_end := is_new and new.status <> 'intent';
    if not is_new then
        select r.status into before from public.requests r where r.user_id = caller and r.id = new.id for update;
        if new.status = 'intent' and before <> 'intent' then
            return false;
        end if;
        is_first_end := before = 'intent' and new.status <> 'intent';
        is_new := is_first_end;
        update public.requests r set
            status = new.status, session = new.session, tags = new.tags, quality = new.quality,
            strategy = new.strategy, complexity_score = new.complexity_score, complexity_tier = new.complexity_tier,
            confidence = new.confidence, reason = new.reason, source = new.source, provider = new.provider,
            model = new.model, input_tokens = new.input_tokens, cached_input_tokens = new.cached_input_tokens,
            cache_write_tokens = new.cache_write_tokens, cache_write_1h_tokens = new.cache_write_1h_tokens,
            output_tokens = new.output_tokens, reasoning_tokens = new.reasoning_tokens, cost_pico = new.cost_pico,
            cost_estimated = new.cost_estimated, worst_case_pico = new.worst_case_pico,
            baseline_provider = new.baseline_provider, baseline_model = new.baseline_model,
            baseline_cost_pico = new.baseline_cost_pico, saved_pico = new.saved_pico, latency_ms = new.latency_ms,
            provider_latency_ms = new.provider_latency_ms, finish_reason = new.finish_reason,
            attempts = new.attempts, cache_entry_id = new.cache_entry_id, similarity = new.similarity,
            cache_age_seconds = new.cache_age_seconds, cache_score = new.cache_score, is_audit = new.is_audit,
            error = new.error
        where r.user_id = caller and r.id = new.id;
    end if;
    if new.status = 'intent' then
        return is_new;
    end if;

    if is_first_end then
        update public.response_cache c set hit_count = c.hit_count + 1
        where c.user_id = caller and c.id = new.cache_entry_id;

        insert into public.routing_metrics (
            user_id, created_at, status, quality, strategy, complexity_tier, source, provider, model, input_tokens,
            output_tokens, cost_pico, cost_estimated, baseline_cost_pico, saved_pico, latency_ms,
            provider_latency_ms, similarity)
        values (
            caller, new.created_at, new.status, new.quality, new.strategy, new.complexity_tier, new.source,
            new.provider, new.model, new.input_tokens, new.output_tokens, new.cost_pico, new.cost_estimated,
            new.baseline_cost_pico, new.saved_pico, new.latency_ms, new.provider_latency_ms, new.similarity);

        if jsonb_typeof(bought) = 'object' then
            entry := jsonb_populate_record(null::public.response_cache, '{
                "input_tokens": 0, "cached_input_tokens": 0, "cache_write_tokens": 0, "output_tokens": 0,
                "reasoning_tokens": 0}'::jsonb || bought || '{
                "hit_count": 0, "approval_sum": 0, "rating_count": 0, "retired_at": null}'::jsonb);
            entry.user_id := caller;
            -- A few that have expired go with each that comes, so that nothing else has to clean up.
            with expired as materialized (
                select c.id from public.response_cache c
                where c.user_id = caller and c.expires_at <= entry.created_at
                order by c.expires_at limit 8 for update skip locked)
            delete from public.response_cache c using expired where c.user_id = caller and c.id = expired.id;
            delete from public.response_cache c
            where c.user_id = caller and c.scope_hash = entry.scope_hash and c.prompt_sha256 = entry.prompt_sha256
              and c.created_at <= entry.created_at;
            -- What is left in the way is this entry itself, or a newer answer.
            insert into public.response_cache select entry.* on conflict do nothing;
            -- Counting reads an index through, so it is done with one answer in a hundred, which its id decides.
            if found and hashtextextended(entry.id::text, 0) % 100 = 0 then
                perform public.evict_cache_entries(as_of => entry.created_at);
            end if;
        end if;
    end if;

    if jsonb_typeof(asked -> 'models') = 'array' then
        insert into public.routing_feedback (
            user_id, request_id, provider, model, embedder_fingerprint, embedding, score, source, created_at)
        select caller, new.id, m.provider, m.model,
               coalesce(asked ->> 'embedder_fingerprint', bought ->> 'embedder_fingerprint'),
               coalesce(asked ->> 'embedding', bought ->> 'embedding')::extensions.vector,
               m.score, case when m.score is not null then 'automatic' end, new.created_at
        from jsonb_to_recordset(asked -> 'models') as m (provider text, model text, score double precision)
        on conflict do nothing;
        -- Old outcomes are dropped at times, many at once: finding them reads past all that stay.
        if random() < 1.0 / 128 then
            with old as materialized (
                (select f.ctid as place from public.routing_feedback f
                 where f.user_id = caller and f.score is not null order by f.created_at desc offset kept_scored)
                union all
                (select f.ctid as place from public.routing_feedback f
                 where f.user_id = caller and f.score is null order by f.created_at desc offset kept_others))
            delete from public.routing_feedback f using old where f.user_id = caller and f.ctid = old.place;
        end if;
    end if;
    return is_new;
end $$;

-- Records a rating of a request, in place of an earlier one, and sums what is thought of the cached answer that it
-- was answered with, or bought. Whether those ratings retire the answer is decided by the caller, who then calls
-- `retire_cache_entry`: the rule is in one place, the program.
--
-- `outcome` is {provider, model, score, source}: how the model that answered did. A score of null takes back what was
-- known. The verdict `wrong` of a request that was answered from the cache excludes the pair of its prompt and the answer;
-- once no rating calls them so any more, the pair is served again. Returns {cache_entry_id, approval_sum, rating_count,
-- retired_at, pair_excluded}, all but the last null where no answer is kept.
create or replace function public.rate_response(
    request_id uuid, score double precision, verdict text default null, comment text default null,
    outcome jsonb default null, as_of timestamptz default now())
returns jsonb
language plpgsql volatile security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
    caller   constant uuid := auth.uid();
    moment   constant timestamptz := coalesce(as_of, now());
    rated    public.requests;
    entry    public.response_cache;
    sums     record;
    is_wrong constant boolean := coalesce(verdict = 'wrong', false);
    pair_excluded boolean := false;
begin
    select r.* into rated from public.requests r where r.user_id = caller and r.id = rate_response.request_id;
    if rated.id is null then
        raise sqlstate 'PT404' using message = 'the request is not known';
    end if;
    -- The entry stays locked, so that of two ratings at once the later sums both.
    if rated.cache_entry_id is not null then
        select c.* into entry from public.response_cache c
        where c.user_id = caller and c.id = rated.cache_entry_id for update;
    else
        select c.* into entry from public.response_cache c
        where c.user_id = caller and c.request_id = rated.id limit 1 for update;
    end if;

    insert into public.response_feedback as f (user_id, request_id, cache_entry_id, score, verdict, comment, created_at)
    values (caller, rated.id, coalesce(rated.cache_entry_id, entry.id), rate_response.score, rate_response.verdict,
            rate_response.comment, moment)
    on conflict (user_id, request_id) do update set
        score = excluded.score, verdict = excluded.verdict, comment = excluded.comment,
        created_at = excluded.created_at;

    if is_wrong and rated.cache_entry_id is not null and entry.id is not null then
        insert into public.negative_pairs (user_id, prompt_sha256, cache_entry_id, created_at)
        values (caller, rated.prompt_sha256, entry.id, moment)
        on conflict do nothing;
        pair_excluded := true;
    elsif not is_wrong and rated.cache_entry_id is not null then
        delete from public.negative_pairs p
        where p.user_id = caller and p.prompt_sha256 = rated.prompt_sha256
          and p.cache_entry_id = rated.cache_entry_id
          and not exists (
              select from public.response_feedback f
              join public.requests r on r.user_id = f.user_id and r.id = f.request_id
              where f.user_id = caller and f.cache_entry_id = rated.cache_entry_id and f.verdict = 'wrong'
                and r.cache_entry_id = f.cache_entry_id and r.prompt_sha256 = rated.prompt_sha256);
    end if;

    if jsonb_typeof(outcome) = 'object' then
        update public.routing_feedback f set
            score = (outcome ->> 'score')::double precision,
            source = case when outcome ->> 'score' is not null then outcome ->> 'source' end
        where f.user_id = caller and f.request_id = rated.id
          and f.provider = outcome ->> 'provider' and f.model = outcome ->> 'model';
        -- A request that the cache answered asked nobody, so its row begins with the rating.
        if not found and outcome ->> 'score' is not null and rated.cache_entry_id is not null then
            insert into public.routing_feedback (
                user_id, request_id, provider, model, embedder_fingerprint, embedding, score, source, created_at)
            values (
                caller, rated.id, outcome ->> 'provider', outcome ->> 'model', entry.embedder_fingerprint,
                entry.embedding, (outcome ->> 'score')::double precision, outcome ->> 'source', rated.created_at)
            on conflict do nothing;
        end if;
    end if;

    if entry.id is null then
        return jsonb_build_object(
            'cache_entry_id', null, 'approval_sum', null, 'rating_count', null, 'retired_at', null,
            'pair_excluded', false);
    end if;
    select coalesce(sum(f.score), 0) as approvals, count(*) as ratings into sums
    from public.response_feedback f
    where f.user_id = caller and f.cache_entry_id = entry.id;
    update public.response_cache c set approval_sum = sums.approvals, rating_count = sums.ratings
    where c.user_id = caller and c.id = entry.id;
    return jsonb_build_object(
        'cache_entry_id', entry.id, 'approval_sum', sums.approvals, 'rating_count', sums.ratings,
        'retired_at', entry.retired_at, 'pair_excluded', pair_excluded);
end $$;

-- Sums the caller's requests from one instant up to another, without it; an absent end is open.
--
-- `group_by` is null, provider, model, strategy, day (UTC), tag or source. Returns {totals, groups: [{key, …}]}, groups
-- dearest first and days in order. A request with several tags is in several groups, and in the totals once. A sum of
-- money ends where bigint ends.
create or replace function public.cost_report(
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
            count(*) filter (where status <> 'intent' and is_audit) as audits,
            coalesce(sum(cost_pico) filter (where status <> 'intent' and is_audit), 0) as audit_cost_pico,
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
               cache_hits, audits,
               least(greatest(audit_cost_pico, -9223372036854775808), 9223372036854775807)::bigint as audit_cost_pico,
               least(input_tokens, 9223372036854775807)::bigint as input_tokens,
               least(output_tokens, 9223372036854775807)::bigint as output_tokens, unpriced_requests,
               estimated_requests, failed_requests, unsettled_requests,
               least(greatest(unsettled_worst_case_pico, -9223372036854775808), 9223372036854775807)::bigint
                   as unsettled_worst_case_pico
        from sums)
    select jsonb_build_object(
        'totals', coalesce(
            (select to_jsonb(c) - 'key' from clamped c where c.key is null),
            '{"requests": 0, "cost_pico": 0, "baseline_cost_pico": 0, "saved_pico": 0, "cache_hits": 0,
              "audits": 0, "audit_cost_pico": 0, "input_tokens": 0, "output_tokens": 0, "unpriced_requests": 0, "estimated_requests": 0,
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

-- Says what is wrong with the key of labels, or with an epoch.
create function public.check_calibration(scope_hash bytea, embedder_fingerprint text, epoch integer default 0)
returns void
language plpgsql stable security invoker
set search_path = ''
as $$
begin
    if auth.uid() is null then
        raise exception 'nobody is signed in' using errcode = '42501';
    end if;
    if scope_hash is null or embedder_fingerprint is null or epoch is null then
        raise exception 'scope_hash, embedder_fingerprint and epoch must not be null' using errcode = '22004';
    end if;
    if octet_length(scope_hash) <> 32 then
        raise exception 'scope_hash has % bytes, not 32', octet_length(scope_hash) using errcode = '22023';
    end if;
    if octet_length(embedder_fingerprint) > 1000 then
        raise exception 'embedder_fingerprint has more than 1000 bytes' using errcode = '22023';
    end if;
    if epoch < 0 then
        raise exception 'epoch must not be negative' using errcode = '22023';
    end if;
end $$;

-- Finds the labels of a scope in its present epoch, and those of all scopes with this embedder in theirs, as
-- {epoch, scope, tenant}, the last two being [{cell, right_labels, wrong_labels, undecided_labels, audits}].
create function public.cache_evidence(scope_hash bytea, embedder_fingerprint text) returns jsonb
language plpgsql stable security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
    caller  constant uuid := auth.uid();
    present integer;
begin
    perform public.check_calibration(scope_hash, embedder_fingerprint);
    select e.epoch into present from public.calibration_epochs e
    where e.user_id = caller and e.scope_hash = cache_evidence.scope_hash
      and e.embedder_fingerprint = cache_evidence.embedder_fingerprint;
    present := coalesce(present, 0);
    return jsonb_build_object(
        'epoch', present,
        'scope', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'cell', k.cell, 'right_labels', k.right_labels, 'wrong_labels', k.wrong_labels,
                'undecided_labels', k.undecided_labels, 'audits', k.audits) order by k.cell collate "C"), '[]')
            from public.calibration k
            where k.user_id = caller and k.scope_hash = cache_evidence.scope_hash
              and k.embedder_fingerprint = cache_evidence.embedder_fingerprint and k.epoch = present),
        'tenant', (
            -- What was taken out with an epoch leaves its cell at nothing.
            select coalesce(jsonb_agg(jsonb_build_object(
                'cell', s.cell, 'right_labels', s.right_labels, 'wrong_labels', s.wrong_labels,
                'undecided_labels', s.undecided_labels, 'audits', s.audits) order by s.cell collate "C"), '[]')
            from public.calibration_sums s
            where s.user_id = caller and s.embedder_fingerprint = cache_evidence.embedder_fingerprint
              and (s.right_labels > 0 or s.wrong_labels > 0 or s.undecided_labels > 0)));
end $$;

-- Counts a label in its own epoch, and in the sums where that is the present one. `is_right` is null where nobody could
-- say.
create function public.record_label(
    scope_hash bytea, embedder_fingerprint text, epoch integer, cell text, is_right boolean default null,
    is_audit boolean default false)
returns void
language plpgsql volatile security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
    caller    constant uuid := auth.uid();
    rights    constant integer := coalesce(is_right, false)::integer;
    wrongs    constant integer := coalesce(not is_right, false)::integer;
    undecided constant integer := (is_right is null)::integer;
    audited   constant integer := coalesce(is_audit, false)::integer;
    present   integer;
begin
    perform public.check_calibration(scope_hash, embedder_fingerprint, epoch);
    if cell is null then
        raise exception 'cell must not be null' using errcode = '22004';
    end if;
    if octet_length(cell) > 40 then
        raise exception 'cell has more than 40 bytes' using errcode = '22023';
    end if;
    -- The epoch does not end between here and the sums; many labels may be counted at once.
    insert into public.calibration_epochs (user_id, scope_hash, embedder_fingerprint)
    values (caller, record_label.scope_hash, record_label.embedder_fingerprint)
    on conflict do nothing;
    select e.epoch into present from public.calibration_epochs e
    where e.user_id = caller and e.scope_hash = record_label.scope_hash
      and e.embedder_fingerprint = record_label.embedder_fingerprint
    for share;
    insert into public.calibration as k (
        user_id, scope_hash, embedder_fingerprint, epoch, cell, right_labels, wrong_labels, undecided_labels, audits)
    values (
        caller, record_label.scope_hash, record_label.embedder_fingerprint, record_label.epoch, record_label.cell,
        rights, wrongs, undecided, audited)
    on conflict (user_id, scope_hash, embedder_fingerprint, epoch, cell) do update set
        right_labels = k.right_labels + excluded.right_labels, wrong_labels = k.wrong_labels + excluded.wrong_labels,
        undecided_labels = k.undecided_labels + excluded.undecided_labels, audits = k.audits + excluded.audits;
    if present = record_label.epoch then
        insert into public.calibration_sums as s (
            user_id, embedder_fingerprint, cell, right_labels, wrong_labels, undecided_labels, audits)
        values (
            caller, record_label.embedder_fingerprint, record_label.cell, rights, wrongs, undecided, audited)
        on conflict (user_id, embedder_fingerprint, cell) do update set
            right_labels = s.right_labels + excluded.right_labels,
            wrong_labels = s.wrong_labels + excluded.wrong_labels,
            undecided_labels = s.undecided_labels + excluded.undecided_labels, audits = s.audits + excluded.audits;
    end if;
end $$;

-- Ends an epoch of a scope, unless it is over; its labels leave the sums, and those that are in the next one already
-- come in.
create function public.end_cache_epoch(scope_hash bytea, embedder_fingerprint text, epoch integer) returns void
language plpgsql volatile security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
    caller constant uuid := auth.uid();
begin
    perform public.check_calibration(scope_hash, embedder_fingerprint, epoch);
    if end_cache_epoch.epoch = 0 then
        insert into public.calibration_epochs (user_id, scope_hash, embedder_fingerprint)
        values (caller, end_cache_epoch.scope_hash, end_cache_epoch.embedder_fingerprint)
        on conflict do nothing;
    end if;
    update public.calibration_epochs e set epoch = e.epoch + 1
    where e.user_id = caller and e.scope_hash = end_cache_epoch.scope_hash
      and e.embedder_fingerprint = end_cache_epoch.embedder_fingerprint and e.epoch = end_cache_epoch.epoch;
    if not found then
        return;
    end if;
    -- In one order, so that two epochs that end at once do not wait for each other.
    insert into public.calibration_sums as s (
        user_id, embedder_fingerprint, cell, right_labels, wrong_labels, undecided_labels, audits)
    select caller, end_cache_epoch.embedder_fingerprint, k.cell, sum(k.sign * k.right_labels),
           sum(k.sign * k.wrong_labels), sum(k.sign * k.undecided_labels), sum(k.sign * k.audits)
    from (
        select c.*, case when c.epoch = end_cache_epoch.epoch then -1 else 1 end as sign
        from public.calibration c
        where c.user_id = caller and c.scope_hash = end_cache_epoch.scope_hash
          and c.embedder_fingerprint = end_cache_epoch.embedder_fingerprint
          and c.epoch in (end_cache_epoch.epoch, end_cache_epoch.epoch + 1)) k
    group by k.cell order by k.cell
    on conflict (user_id, embedder_fingerprint, cell) do update set
        right_labels = s.right_labels + excluded.right_labels, wrong_labels = s.wrong_labels + excluded.wrong_labels,
        undecided_labels = s.undecided_labels + excluded.undecided_labels, audits = s.audits + excluded.audits;
end $$;

create or replace function public.schema_version() returns integer
language sql stable security invoker set search_path = '' as 'select 8';

do $$
declare
    made regprocedure;
begin
    foreach made in array array[
        'public.find_cache_entry(bytea, bytea, timestamptz, bytea)',
        'public.match_cache_entries(extensions.vector, double precision, integer, bytea, text, timestamptz, bytea)',
        'public.evict_cache_entries(bigint, timestamptz)',
        'public.check_calibration(bytea, text, integer)',
        'public.cache_evidence(bytea, text)',
        'public.record_label(bytea, text, integer, text, boolean, boolean)',
        'public.end_cache_epoch(bytea, text, integer)']::regprocedure[]
    loop
        execute format('revoke all on function %s from public, anon, service_role', made);
        execute format('grant execute on function %s to authenticated', made);
    end loop;
end $$;

notify pgrst, 'reload schema';

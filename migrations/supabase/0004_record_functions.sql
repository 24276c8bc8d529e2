-- Writing requests and ratings down, and reading a request back. Each function is one transaction, and one that is
-- called again with the same arguments, as after a reply that was lost, changes nothing more.

do $$
begin
    perform pg_advisory_xact_lock(hashtextextended('ai-cost-optimizer migrations', 0));
    -- Who waited has the functions of before in its cache until it opens a table.
    perform from pg_catalog.pg_proc where false;
    if public.schema_version() <> 3 then
        raise exception 'this migration follows 3, and the database is at %', public.schema_version()
            using errcode = '55000', hint = 'apply only the files whose number is above that of public.schema_version()';
    end if;
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
create function public.record_request(request jsonb, bought jsonb default null, asked jsonb default null)
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
        "latency_ms": 0, "provider_latency_ms": 0}'::jsonb || request);
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
            cache_age_seconds = new.cache_age_seconds, cache_score = new.cache_score, error = new.error
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

-- Finds a request by its id, with the text that it was answered with where the cache still keeps it, as
-- `response_text`; null where the caller has no such request.
create function public.find_request(request_id uuid) returns jsonb
language sql stable security invoker
set search_path = ''
as $$
    select to_jsonb(r) || jsonb_build_object('response_text', (
        -- A request that was served from the cache has bought nothing.
        select c.response_text from public.response_cache c
        where c.user_id = r.user_id
          and case when r.cache_entry_id is null then c.request_id = r.id else c.id = r.cache_entry_id end
        limit 1))
    from public.requests r
    where r.user_id = (select auth.uid()) and r.id = find_request.request_id
$$;

-- Records a rating of a request, in place of an earlier one, and sums what is thought of the cached answer that it
-- was answered with, or bought. Whether those ratings retire the answer is decided by the caller, who then calls
-- `retire_cache_entry`: the rule is in one place, the program.
--
-- `outcome` is {provider, model, score, source}: how the model that answered did. A score of null takes back what was
-- known. Returns {cache_entry_id, approval_sum, rating_count, retired_at}, all null where no answer is kept.
create function public.rate_response(
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
            'cache_entry_id', null, 'approval_sum', null, 'rating_count', null, 'retired_at', null);
    end if;
    select coalesce(sum(f.score), 0) as approvals, count(*) as ratings into sums
    from public.response_feedback f
    where f.user_id = caller and f.cache_entry_id = entry.id;
    update public.response_cache c set approval_sum = sums.approvals, rating_count = sums.ratings
    where c.user_id = caller and c.id = entry.id;
    return jsonb_build_object(
        'cache_entry_id', entry.id, 'approval_sum', sums.approvals, 'rating_count', sums.ratings,
        'retired_at', entry.retired_at);
end $$;

-- Takes a cached answer out of service because of the ratings that the caller knows; returns whether it is out.
--
-- Where it has been rated again meanwhile, nothing happens: whoever rated it decides with the newer sums.
create function public.retire_cache_entry(
    entry_id uuid, approval_sum double precision, rating_count bigint, as_of timestamptz default now())
returns boolean
language plpgsql volatile security invoker
set search_path = ''
as $$
#variable_conflict use_column
begin
    update public.response_cache c set retired_at = coalesce(c.retired_at, as_of, now())
    where c.user_id = (select auth.uid()) and c.id = entry_id
      and c.rating_count = retire_cache_entry.rating_count
      and abs(c.approval_sum - retire_cache_entry.approval_sum) < 1e-9;
    return found;
end $$;

create or replace function public.schema_version() returns integer
language sql immutable security invoker set search_path = '' as 'select 4';

do $$
declare
    made regprocedure;
begin
    foreach made in array array[
        'public.record_request(jsonb, jsonb, jsonb)',
        'public.find_request(uuid)',
        'public.rate_response(uuid, double precision, text, text, jsonb, timestamptz)',
        'public.retire_cache_entry(uuid, double precision, bigint, timestamptz)']::regprocedure[]
    loop
        execute format('revoke all on function %s from public, anon, service_role', made);
        execute format('grant execute on function %s to authenticated', made);
    end loop;
end $$;

notify pgrst, 'reload schema';

-- Experiments: their arms, the requests that came to them, and what became of those.

do $$
begin
    perform pg_advisory_xact_lock(hashtextextended('ai-cost-optimizer migrations', 0));
    -- Who waited has the functions of before in its cache until it opens a table.
    perform from pg_catalog.pg_proc where false;
    if public.schema_version() <> 10 then
        raise exception 'this migration follows 10, and the database is at %', public.schema_version()
            using errcode = '55000', hint = 'apply only the files whose number is above that of public.schema_version()';
    end if;
end $$;

-- The arms of experiments that a request was answered by: [{experiment_id, experiment, arm, place, unit, before}].
-- Without a unit the arm is the default, and the request no outcome.
alter table public.requests add column exposures jsonb not null default '[]' check (jsonb_typeof(exposures) = 'array');

create table public.experiments (
    user_id          uuid        not null default auth.uid() references auth.users (id) on delete cascade,
    id               uuid        not null,
    name             text        not null check (octet_length(name) <= 1000),
    -- What was asked for; the program writes and reads it.
    definition       jsonb       not null check (jsonb_typeof(definition) = 'object'),
    -- What the arms set: two active experiments have none in common.
    knobs            text[]      not null check (array_position(knobs, null) is null),
    status           text        not null check (status in ('active', 'stopped', 'archived')),
    created_at       timestamptz not null,
    ended_by         text,
    ended_at         timestamptz,
    adopted          text,
    adopted_at       timestamptz,
    idempotency_key  text check (octet_length(idempotency_key) <= 1000),
    primary key (user_id, id),
    unique (user_id, name),
    unique (user_id, idempotency_key)
);

-- A request in an arm, with its outcome; ratings come late.
create table public.experiment_results (
    user_id          uuid             not null default auth.uid() references auth.users (id) on delete cascade,
    experiment_id    uuid             not null,
    request_id       uuid             not null,
    -- The arm's place among the arms; control is 0.
    arm              integer          not null check (arm >= 0),
    -- The request or session that was assigned, and what was known of it before.
    unit             text             collate "C" not null check (octet_length(unit) <= 1000),
    before           double precision not null check (before between -1e100 and 1e100),
    assigned_at      timestamptz      not null,
    ended_at         timestamptz,
    is_answered      boolean,
    cost_pico        bigint,
    saved_pico       bigint,
    latency_ms       bigint check (latency_ms >= 0),
    rating           double precision check (rating between 0 and 1),
    rated_at         timestamptz,
    primary key (user_id, experiment_id, request_id),
    foreign key (user_id, experiment_id) references public.experiments (user_id, id) on delete cascade,
    foreign key (user_id, request_id) references public.requests (user_id, id) on delete cascade
)
-- Room in each page for ends, which come soon after the rows.
with (fillfactor = 90);

create index experiment_results_by_request on public.experiment_results (user_id, request_id);

-- Rows of a session; a request that is its own unit is in none.
create index experiment_results_by_session on public.experiment_results (user_id, experiment_id, unit)
where unit <> request_id::text;

do $$
declare
    name text;
    own  constant text := '((select auth.uid() limit public.one_caller()) = user_id)';
begin
    foreach name in array array['experiments', 'experiment_results'] loop
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

-- Writes a request: an intent before a provider is paid, its end after. Returns whether that was new: an intent or
-- an end that was not known.
--
-- `request` has the columns of `requests`. `bought` has those of `response_cache`: an answer that takes the place of
-- older ones to the same prompt. `asked` is {models: [{provider, model, score}], embedder_fingerprint, embedding}: the
-- models that were asked, a score being null until it is known; the embedding is that of `bought` where it is absent.
--
-- An end is never turned back into an intent, in whatever order the two arrive. With the first end, and only then,
-- a hit is counted, the answer is kept and the live line is written.
--
-- Each of `exposures` that has a unit is a row of `experiment_results`: made by whichever comes first, its outcome
-- filled in by the first end. An exposure to an experiment that the caller has not is passed over.
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
        "is_audit": false, "latency_ms": 0, "provider_latency_ms": 0, "exposures": []}'::jsonb || request);
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
            exposures = new.exposures, error = new.error
        where r.user_id = caller and r.id = new.id;
    end if;

    if jsonb_array_length(new.exposures) > 0 then
        insert into public.experiment_results as k (
            user_id, experiment_id, request_id, arm, unit, before, assigned_at, ended_at, is_answered, cost_pico,
            saved_pico, latency_ms)
        select distinct on (e.id)
               caller, e.id, new.id, x.place, x.unit,
               coalesce(
                   x.before,
                   -- A session stays what it was when it came.
                   (select s.before from public.experiment_results s
                    where s.user_id = caller and s.experiment_id = e.id and s.unit = x.unit
                      and s.unit <> s.request_id::text
                    limit 1),
                   (select avg(r.cost_pico)::double precision / 1e12 from public.requests r
                    where r.user_id = caller and r.session = x.unit and r.status = 'completed'
                      and r.created_at < e.created_at),
                   0),
               new.created_at, o.ended_at, o.is_answered, o.cost_pico, o.saved_pico, o.latency_ms
        from jsonb_to_recordset(new.exposures)
            as x (experiment_id text, place integer, unit text, before double precision)
        join public.experiments e on e.user_id = caller and e.id::text = x.experiment_id
        left join (
            select now() as ended_at, new.status = 'completed' as is_answered, new.cost_pico, new.saved_pico,
                   new.latency_ms) o on new.status <> 'intent'
        where x.unit is not null
        on conflict (user_id, experiment_id, request_id) do update set
            ended_at = excluded.ended_at, is_answered = excluded.is_answered, cost_pico = excluded.cost_pico,
            saved_pico = excluded.saved_pico, latency_ms = excluded.latency_ms
        where k.ended_at is null and excluded.ended_at is not null;
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
-- `retire_cache_entry`: the rule is in one place, the program. Experiments hear of it too.
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

    update public.experiment_results k set rating = rate_response.score, rated_at = moment
    where k.user_id = caller and k.request_id = rated.id;

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

-- Keeps a new experiment, unless something is in its way: one with the same idempotency key, one with the same name, or
-- an active one that sets the same. `experiment` has the columns of `experiments`.
--
-- Returns {started}, which is new, before, name_taken or knob_taken; with `before` comes {experiment}, the one that was
-- there, and with `knob_taken` {knob, by}. Of two starts at once, one waits for the other.
create function public.start_experiment(experiment jsonb) returns jsonb
language plpgsql volatile security invoker
set search_path = ''
as $$
declare
    caller constant uuid := auth.uid();
    new    public.experiments;
    same   jsonb;
    taken  record;
begin
    if caller is null then
        raise exception 'nobody is signed in' using errcode = '42501';
    end if;
    if jsonb_typeof(experiment) is distinct from 'object' then
        raise exception 'experiment must be an object' using errcode = '22023';
    end if;
    new := jsonb_populate_record(null::public.experiments, experiment);
    perform pg_advisory_xact_lock(hashtextextended('ai-cost-optimizer experiments ' || caller, 0));

    select to_jsonb(e) - 'user_id' into same from public.experiments e
    where e.user_id = caller and e.idempotency_key = new.idempotency_key;
    if same is not null then
        return jsonb_build_object('started', 'before', 'experiment', same);
    end if;
    perform from public.experiments e where e.user_id = caller and e.name = new.name;
    if found then
        return jsonb_build_object('started', 'name_taken');
    end if;
    select e.name as holder, k.knob into taken
    from public.experiments e
    cross join lateral unnest(e.knobs) with ordinality as k (knob, place)
    where e.user_id = caller and e.status = 'active' and k.knob = any (new.knobs)
    order by e.id, k.place limit 1;
    if found then
        return jsonb_build_object('started', 'knob_taken', 'knob', taken.knob, 'by', taken.holder);
    end if;
    insert into public.experiments (user_id, id, name, definition, knobs, status, created_at, idempotency_key)
    values (caller, new.id, new.name, new.definition, new.knobs, new.status, new.created_at, new.idempotency_key);
    return jsonb_build_object('started', 'new');
end $$;

-- Lists experiments, newest first: all, the one of a name, or those that say how a request is answered.
create function public.list_experiments(name text default null, in_force boolean default false) returns jsonb
language sql stable security invoker
set search_path = ''
as $$
    select coalesce(jsonb_agg(to_jsonb(e) - 'user_id' order by e.id desc), '[]')
    from public.experiments e
    where e.user_id = (select auth.uid())
      and (list_experiments.name is null or e.name = list_experiments.name)
      and (in_force is not true or e.status = 'active' or e.status = 'stopped' and e.adopted is not null)
$$;

-- Changes an experiment: `end` ends an active one by `ended_by`, `adopt` makes the arm `adopted` of a stopped one the
-- default, `archive` puts a stopped one away. Returns whether it was there, and in that state.
create function public.change_experiment(
    experiment_id uuid, change text, ended_by text default null, adopted text default null,
    as_of timestamptz default now())
returns boolean
language plpgsql volatile security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
    caller constant uuid := auth.uid();
    moment constant timestamptz := coalesce(as_of, now());
begin
    if caller is null then
        raise exception 'nobody is signed in' using errcode = '42501';
    end if;
    case change
        when 'end' then
            if change_experiment.ended_by is null then
                raise exception 'ended_by must be given' using errcode = '22004';
            end if;
            update public.experiments e
            set status = 'stopped', ended_by = change_experiment.ended_by, ended_at = moment
            where e.user_id = caller and e.id = change_experiment.experiment_id and e.status = 'active';
        when 'adopt' then
            if change_experiment.adopted is null then
                raise exception 'adopted must be given' using errcode = '22004';
            end if;
            update public.experiments e set adopted = change_experiment.adopted, adopted_at = moment
            where e.user_id = caller and e.id = change_experiment.experiment_id and e.status = 'stopped';
        when 'archive' then
            update public.experiments e set status = 'archived'
            where e.user_id = caller and e.id = change_experiment.experiment_id and e.status = 'stopped';
        else
            raise exception 'change is end, adopt or archive' using errcode = '22023';
    end case;
    return found;
end $$;

-- Sums up each arm of an experiment, as [{arm, units, requests, spend_pico, sums: {metric: {…}}}], the fields of a
-- metric's sums being those that the program analyses. A request that nobody answered has its success alone.
--
-- Where each request is its own unit, rows are added up as they are, and the sums told apart by metric: 1,000,000 requests
-- take a core 1.4 s, where telling the rows apart took 4.4 s. Sessions are put together first: 1,000,000 requests of
-- 200,000 sessions take 3.7 s.
create function public.experiment_statistics(experiment_id uuid) returns jsonb
language plpgsql stable security invoker
set search_path = ''
set plan_cache_mode = 'force_custom_plan'
as $$
#variable_conflict use_column
declare
    caller       constant uuid := auth.uid();
    -- Ordered, so that the index of sessions says so at once.
    has_sessions constant boolean := (
        select k.unit from public.experiment_results k
        where k.user_id = caller and k.experiment_id = experiment_statistics.experiment_id
          and k.unit <> k.request_id::text
        order by k.unit limit 1) is not null;
    statistics   jsonb;
begin
    with results as not materialized (
        select k.arm, k.unit, k.before, k.cost_pico,
               k.is_answered::integer::double precision as success,
               case when k.is_answered then k.cost_pico / 1e12::double precision end as cost_usd,
               case when k.is_answered then k.saved_pico / 1e12::double precision end as saved_usd,
               case when k.is_answered then k.latency_ms::double precision end as latency_ms,
               k.rating
        from public.experiment_results k
        where k.user_id = caller and k.experiment_id = experiment_statistics.experiment_id
        -- A value is computed once, however many sums it is in.
        offset 0),
    -- Of each metric the sums of 1, before, before², value, value · before, value² and value³.
    requests as materialized (
        select arm, count(*) as requests, sum(cost_pico) as spend_pico,
               array[count(success), sum(before) filter (where success is not null),
                   sum(before * before) filter (where success is not null), sum(success), sum(success * before),
                   sum(success), sum(success)] as success,
               array[count(cost_usd), sum(before) filter (where cost_usd is not null),
                   sum(before * before) filter (where cost_usd is not null), sum(cost_usd), sum(cost_usd * before),
                   sum(cost_usd * cost_usd), sum(cost_usd * cost_usd * cost_usd)] as cost_usd,
               array[count(saved_usd), sum(before) filter (where saved_usd is not null),
                   sum(before * before) filter (where saved_usd is not null), sum(saved_usd), sum(saved_usd * before),
                   sum(saved_usd * saved_usd), sum(saved_usd * saved_usd * saved_usd)] as saved_usd,
               array[count(latency_ms), sum(before) filter (where latency_ms is not null),
                   sum(before * before) filter (where latency_ms is not null), sum(latency_ms),
                   sum(latency_ms * before), sum(latency_ms * latency_ms),
                   sum(latency_ms * latency_ms * latency_ms)] as latency_ms,
               array[count(rating), sum(before) filter (where rating is not null),
                   sum(before * before) filter (where rating is not null), sum(rating), sum(rating * before),
                   sum(rating * rating), sum(rating * rating * rating)] as rating
        from results
        where not has_sessions
        group by arm),
    sessions as materialized (
        select arm, min(before) as before, count(*) as requests, sum(cost_pico) as spend_pico,
               count(success) as successes, sum(success) as success, count(cost_usd) as costs, sum(cost_usd) as cost_usd,
               count(saved_usd) as savings, sum(saved_usd) as saved_usd, count(latency_ms) as latencies,
               sum(latency_ms) as latency_ms, count(rating) as ratings, sum(rating) as rating
        from results
        where has_sessions
        group by arm, unit),
    sums as (
        select r.arm, m.metric, s[1] as units, s[1] as outcomes, s[4] as total, s[2] as before,
               s[1] as outcomes_squared, s[6] as total_squared, s[3] as before_squared, s[4] as outcomes_times_total,
               s[2] as outcomes_times_before, s[5] as total_times_before, s[1] as outcomes_cubed,
               s[4] as outcomes_squared_times_total, s[6] as outcomes_times_total_squared, s[7] as total_cubed
        from requests r
        cross join lateral (values
            ('success', r.success), ('cost_usd', r.cost_usd), ('saved_usd', r.saved_usd),
            ('latency_ms', r.latency_ms), ('rating', r.rating)) as m (metric, s)
        where s[1] > 0
        union all
        select u.arm, m.metric, count(*), sum(m.outcomes), sum(m.total), sum(u.before), sum(m.outcomes * m.outcomes),
               sum(m.total * m.total), sum(u.before * u.before), sum(m.outcomes * m.total),
               sum(m.outcomes * u.before), sum(m.total * u.before), sum(m.outcomes * m.outcomes * m.outcomes),
               sum(m.outcomes * m.outcomes * m.total), sum(m.outcomes * m.total * m.total),
               sum(m.total * m.total * m.total)
        from sessions u
        cross join lateral (values
            ('success', u.successes::double precision, u.success), ('cost_usd', u.costs, u.cost_usd),
            ('saved_usd', u.savings, u.saved_usd), ('latency_ms', u.latencies, u.latency_ms),
            ('rating', u.ratings, u.rating)) as m (metric, outcomes, total)
        where m.outcomes > 0
        group by u.arm, m.metric),
    arms as (
        select arm, requests as units, requests, spend_pico from requests
        union all
        select arm, count(*), sum(requests), sum(spend_pico) from sessions group by arm),
    metrics as (
        select s.arm, jsonb_object_agg(s.metric, to_jsonb(s) - 'arm' - 'metric') as sums from sums s group by s.arm)
    select coalesce(jsonb_agg(
        jsonb_build_object(
            'arm', a.arm, 'units', a.units, 'requests', a.requests,
            'spend_pico',
            least(greatest(coalesce(a.spend_pico, 0), -9223372036854775808), 9223372036854775807)::bigint,
            'sums', coalesce(m.sums, '{}'))
        order by a.arm), '[]')
    into statistics
    from arms a
    left join metrics m on m.arm = a.arm;
    return statistics;
end $$;

-- Sums up what became known of a metric in each of `points` equal spans from the first outcome to the last, as
-- {from_time, to_time, added: [{moment, arm, sums}]}: what the outcomes of a span add to the sums of an arm. A span in
-- which nothing became known is left out. With each outcome of a session its sums of before leave, and those with it
-- come. 1,000,000 requests take a core 1.8 s, those of 200,000 sessions 4.1 s.
create function public.experiment_timeline(experiment_id uuid, metric text, points integer) returns jsonb
language plpgsql stable security invoker
set search_path = ''
set plan_cache_mode = 'force_custom_plan'
as $$
#variable_conflict use_column
declare
    caller       constant uuid := auth.uid();
    moments      constant bigint := greatest(points, 1);
    -- Ordered, so that the index of sessions says so at once.
    has_sessions constant boolean := (
        select k.unit from public.experiment_results k
        where k.user_id = caller and k.experiment_id = experiment_timeline.experiment_id
          and k.unit <> k.request_id::text
        order by k.unit limit 1) is not null;
    from_time    timestamptz;
    to_time      timestamptz;
    span_us      bigint;
    added        jsonb;
begin
    if metric is null or points is null then
        raise exception 'metric and points must not be null' using errcode = '22004';
    end if;
    if metric not in ('cost_usd', 'rating', 'latency_ms', 'success', 'saved_usd') then
        raise exception 'metric is cost_usd, rating, latency_ms, success or saved_usd' using errcode = '22023';
    end if;
    select min(case metric when 'rating' then k.rated_at else k.ended_at end),
           max(case metric when 'rating' then k.rated_at else k.ended_at end)
    into from_time, to_time
    from public.experiment_results k
    where k.user_id = caller and k.experiment_id = experiment_timeline.experiment_id
      and case metric
              when 'rating' then k.rating is not null
              when 'success' then k.is_answered is not null
              when 'cost_usd' then k.is_answered and k.cost_pico is not null
              when 'saved_usd' then k.is_answered and k.saved_pico is not null
              else k.is_answered and k.latency_ms is not null
          end;
    if from_time is null then
        return jsonb_build_object('from_time', null, 'to_time', null, 'added', '[]'::jsonb);
    end if;
    span_us := greatest(1, round(date_part('epoch', to_time - from_time) * 1e6)::bigint / moments);
    with outcomes as not materialized (
        select k.arm, k.unit, k.before,
               case metric
                   when 'success' then k.is_answered::integer::double precision
                   when 'cost_usd' then case when k.is_answered then k.cost_pico / 1e12::double precision end
                   when 'saved_usd' then case when k.is_answered then k.saved_pico / 1e12::double precision end
                   when 'latency_ms' then case when k.is_answered then k.latency_ms::double precision end
                   else k.rating
               end as value,
               least(
                   moments - 1,
                   round(date_part('epoch', case metric when 'rating' then k.rated_at else k.ended_at end - from_time)
                       * 1e6)::bigint / span_us) as moment
        from public.experiment_results k
        where k.user_id = caller and k.experiment_id = experiment_timeline.experiment_id
        offset 0),
    -- Each outcome with how many there are of its unit by then, and with their sum before and after.
    steps as not materialized (
        select arm, moment, before, value, 1::double precision as outcomes, 0::double precision as earlier, value as total
        from outcomes
        where not has_sessions and value is not null
        union all
        select arm, moment, before, value, outcomes, total - value, total
        from (
            select arm, moment, before, value, row_number() over unit as outcomes, sum(value) over unit as total
            from outcomes
            where has_sessions and value is not null
            window unit as (partition by arm, unit order by moment rows unbounded preceding)) s),
    sums as (
        select arm, moment, count(*) filter (where outcomes = 1) as units, count(*) as outcomes, sum(value) as total,
               coalesce(sum(before) filter (where outcomes = 1), 0) as before, sum(2 * outcomes - 1) as outcomes_squared,
               sum(total * total - earlier * earlier) as total_squared,
               coalesce(sum(before * before) filter (where outcomes = 1), 0) as before_squared,
               sum(outcomes * total - (outcomes - 1) * earlier) as outcomes_times_total,
               sum(before) as outcomes_times_before, sum(value * before) as total_times_before,
               sum(outcomes * outcomes * outcomes - (outcomes - 1) * (outcomes - 1) * (outcomes - 1)) as outcomes_cubed,
               sum(outcomes * outcomes * total - (outcomes - 1) * (outcomes - 1) * earlier)
                   as outcomes_squared_times_total,
               sum(outcomes * total * total - (outcomes - 1) * earlier * earlier) as outcomes_times_total_squared,
               sum(total * total * total - earlier * earlier * earlier) as total_cubed
        from steps
        group by arm, moment)
    select jsonb_agg(
        jsonb_build_object(
            'arm', s.arm, 'moment', s.moment, 'sums', to_jsonb(s) - 'arm' - 'moment')
        order by s.moment, s.arm)
    into added
    from sums s;
    return jsonb_build_object('from_time', from_time, 'to_time', to_time, 'added', added);
end $$;

-- Lists requests of an experiment in the order in which they came, `most` at most, from after one on.
create function public.experiment_outcomes(experiment_id uuid, after uuid default null, most bigint default 1000)
returns jsonb
language sql stable security invoker
set search_path = ''
as $$
    select coalesce(jsonb_agg(to_jsonb(o) - 'user_id' - 'experiment_id' order by o.request_id), '[]')
    from (
        select k.* from public.experiment_results k
        where k.user_id = (select auth.uid()) and k.experiment_id = experiment_outcomes.experiment_id
          and k.request_id > coalesce(after, '00000000-0000-0000-0000-000000000000')
        order by k.request_id limit greatest(most, 0)) o
$$;

-- Sums up the newest `most` requests that ended and would have taken part, but for trials of other models, as
-- {requests, first_at, last_at, sums: {metric: {…}}}. `unit` is request or session; a request without a session is in
-- none.
create function public.past_outcomes(
    unit text, since timestamptz, most bigint, tags text[] default '{}', quality text default null,
    tier text default null)
returns jsonb
language plpgsql stable security invoker
set search_path = ''
set plan_cache_mode = 'force_custom_plan'
as $$
#variable_conflict use_column
declare
    past jsonb;
begin
    if unit is null or since is null or most is null then
        raise exception 'unit, since and most must not be null' using errcode = '22004';
    end if;
    if unit not in ('request', 'session') then
        raise exception 'unit is request or session' using errcode = '22023';
    end if;
    with newest as (
        select r.id, r.session, r.created_at, r.status = 'completed' as is_answered, r.cost_pico, r.saved_pico,
               r.latency_ms, f.score
        from public.requests r
        left join public.response_feedback f on f.user_id = r.user_id and f.request_id = r.id
        where r.user_id = (select auth.uid()) and r.created_at >= since and r.status <> 'intent'
          and r.source is distinct from 'exploration'
          and (past_outcomes.quality is null or r.quality = past_outcomes.quality)
          and (past_outcomes.tier is null or r.complexity_tier = past_outcomes.tier)
          and (coalesce(cardinality(past_outcomes.tags), 0) = 0 or r.tags && past_outcomes.tags)
        order by r.created_at desc limit greatest(most, 0)),
    part as (
        select case past_outcomes.unit when 'request' then n.id::text else n.session end as unit, n.*
        from newest n
        where past_outcomes.unit = 'request' or n.session is not null),
    units as (
        select p.unit, m.metric, count(*)::double precision as outcomes, sum(m.value) as total
        from part p
        cross join lateral (values
            ('success', p.is_answered::integer::double precision),
            ('cost_usd', case when p.is_answered then p.cost_pico / 1e12::double precision end),
            ('saved_usd', case when p.is_answered then p.saved_pico / 1e12::double precision end),
            ('latency_ms', case when p.is_answered then p.latency_ms::double precision end),
            ('rating', p.score)) as m (metric, value)
        where m.value is not null
        group by p.unit, m.metric),
    sums as (
        select metric, count(*) as units, sum(outcomes) as outcomes, sum(total) as total, 0 as before,
               sum(outcomes * outcomes) as outcomes_squared, sum(total * total) as total_squared,
               0 as before_squared, sum(outcomes * total) as outcomes_times_total, 0 as outcomes_times_before,
               0 as total_times_before, sum(outcomes * outcomes * outcomes) as outcomes_cubed,
               sum(outcomes * outcomes * total) as outcomes_squared_times_total,
               sum(outcomes * total * total) as outcomes_times_total_squared, sum(total * total * total) as total_cubed
        from units
        group by metric)
    select jsonb_build_object(
        'requests', count(*), 'first_at', min(p.created_at), 'last_at', max(p.created_at),
        'sums', (select coalesce(jsonb_object_agg(s.metric, to_jsonb(s) - 'metric'), '{}') from sums s))
    into past
    from part p;
    return past;
end $$;

create or replace function public.schema_version() returns integer
language sql stable security invoker set search_path = '' as 'select 11';

do $$
declare
    made regprocedure;
begin
    foreach made in array array[
        'public.start_experiment(jsonb)',
        'public.list_experiments(text, boolean)',
        'public.change_experiment(uuid, text, text, text, timestamptz)',
        'public.experiment_statistics(uuid)',
        'public.experiment_timeline(uuid, text, integer)',
        'public.experiment_outcomes(uuid, uuid, bigint)',
        'public.past_outcomes(text, timestamptz, bigint, text[], text, text)']::regprocedure[]
    loop
        execute format('revoke all on function %s from public, anon, service_role', made);
        execute format('grant execute on function %s to authenticated', made);
    end loop;
end $$;

notify pgrst, 'reload schema';

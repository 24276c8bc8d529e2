-- Sums of finished requests by quarters of a UTC day, so that a report of a million requests reads some ten
-- thousand rows. Triggers keep them level with `requests` in the transaction of the row itself, whoever writes it.
-- A quarter of a day is long enough that years of sums are few, and short enough that the requests of the two
-- quarters in which a report begins and ends can be read one by one.
--
-- An amount of money is summed as two numbers, `high` · 2³² + `low`: SQLite's integers end at 2⁶³, and a sum
-- that reached their end would stop the request from being recorded, or lose pico-dollars. Counts of tokens are
-- cut at 2³² instead; no request has as many. So no sum below 2³¹ requests comes near the end.

update requests
set input_tokens = min(input_tokens, 4294967295), output_tokens = min(output_tokens, 4294967295)
where input_tokens > 4294967295 or output_tokens > 4294967295;

-- Unfinished requests are few, and are read as they are.
create index requests_unfinished on requests (user_id, created_at) where status = 'intent';

-- What one request adds to sums, and to which.
create view request_amounts as
select
    user_id,
    id,
    created_at,
    created_at - (created_at % 21600000000 + 21600000000) % 21600000000 as start,
    tags,
    status,
    coalesce(provider, 'none')                          as provider_key,
    coalesce(provider || '/' || model, 'none')          as model_key,
    strategy                                            as strategy_key,
    coalesce(source, status)                            as source_key,
    iif(status = 'intent', 0, 1)                        as requests,
    iif(status = 'intent', 0, coalesce(cost_pico, 0)) >> 32         as cost_high,
    iif(status = 'intent', 0, coalesce(cost_pico, 0)) & 4294967295  as cost_low,
    iif(saved_pico is null, 0, coalesce(baseline_cost_pico, 0)) >> 32        as baseline_high,
    iif(saved_pico is null, 0, coalesce(baseline_cost_pico, 0)) & 4294967295 as baseline_low,
    coalesce(saved_pico, 0) >> 32                       as saved_high,
    coalesce(saved_pico, 0) & 4294967295                as saved_low,
    iif(status <> 'intent' and source in ('cache_exact', 'cache_semantic'), 1, 0) as cache_hits,
    iif(status = 'intent', 0, input_tokens)             as input_tokens,
    iif(status = 'intent', 0, output_tokens)            as output_tokens,
    iif(status <> 'intent' and cost_pico is null, 1, 0) as unpriced_requests,
    iif(status <> 'intent' and cost_estimated, 1, 0)    as estimated_requests,
    iif(status = 'failed', 1, 0)                        as failed_requests,
    iif(status = 'intent', coalesce(worst_case_pico, 0), 0) >> 32        as worst_case_high,
    iif(status = 'intent', coalesce(worst_case_pico, 0), 0) & 4294967295 as worst_case_low
from requests;

create table request_sums (
    user_id              text    not null,
    start                integer not null,
    provider_key         text    not null,
    model_key            text    not null,
    strategy_key         text    not null,
    source_key           text    not null,
    requests             integer not null,
    cost_high            integer not null,
    cost_low             integer not null,
    baseline_high        integer not null,
    baseline_low         integer not null,
    saved_high           integer not null,
    saved_low            integer not null,
    cache_hits           integer not null,
    input_tokens         integer not null,
    output_tokens        integer not null,
    unpriced_requests    integer not null,
    estimated_requests   integer not null,
    failed_requests      integer not null,
    primary key (user_id, start, model_key, strategy_key, source_key, provider_key)
) without rowid;

-- A request with several tags is in several of these sums.
create table request_tag_sums (
    user_id              text    not null,
    start                integer not null,
    tag                  text    not null,
    requests             integer not null,
    cost_high            integer not null,
    cost_low             integer not null,
    baseline_high        integer not null,
    baseline_low         integer not null,
    saved_high           integer not null,
    saved_low            integer not null,
    cache_hits           integer not null,
    input_tokens         integer not null,
    output_tokens        integer not null,
    unpriced_requests    integer not null,
    estimated_requests   integer not null,
    failed_requests      integer not null,
    primary key (user_id, start, tag)
) without rowid;

-- Adds a request, as its row is at this moment, to its sums (sign 1), or takes it out of them (sign -1).
create view request_sum_changes as select user_id, id as request_id, tags, 1 as sign from requests;

create trigger request_sums_changed instead of insert on request_sum_changes begin
    insert into request_sums (
        user_id, start, provider_key, model_key, strategy_key, source_key,
        requests, cost_high, cost_low, baseline_high, baseline_low, saved_high, saved_low, cache_hits,
        input_tokens, output_tokens, unpriced_requests, estimated_requests, failed_requests)
    select
        user_id, start, provider_key, model_key, strategy_key, source_key,
        new.sign * requests, new.sign * cost_high, new.sign * cost_low, new.sign * baseline_high,
        new.sign * baseline_low, new.sign * saved_high, new.sign * saved_low, new.sign * cache_hits,
        new.sign * input_tokens, new.sign * output_tokens, new.sign * unpriced_requests,
        new.sign * estimated_requests, new.sign * failed_requests
    from request_amounts
    where user_id = new.user_id and id = new.request_id
    on conflict do update set
        requests = requests + excluded.requests, cost_high = cost_high + excluded.cost_high,
        cost_low = cost_low + excluded.cost_low, baseline_high = baseline_high + excluded.baseline_high,
        baseline_low = baseline_low + excluded.baseline_low, saved_high = saved_high + excluded.saved_high,
        saved_low = saved_low + excluded.saved_low, cache_hits = cache_hits + excluded.cache_hits,
        input_tokens = input_tokens + excluded.input_tokens,
        output_tokens = output_tokens + excluded.output_tokens,
        unpriced_requests = unpriced_requests + excluded.unpriced_requests,
        estimated_requests = estimated_requests + excluded.estimated_requests,
        failed_requests = failed_requests + excluded.failed_requests;
end;

-- Most requests have no tags.
create trigger request_tag_sums_changed instead of insert on request_sum_changes when new.tags <> '[]' begin
    insert into request_tag_sums (
        user_id, start, tag,
        requests, cost_high, cost_low, baseline_high, baseline_low, saved_high, saved_low, cache_hits,
        input_tokens, output_tokens, unpriced_requests, estimated_requests, failed_requests)
    select
        user_id, start, tag.value,
        new.sign * requests, new.sign * cost_high, new.sign * cost_low, new.sign * baseline_high,
        new.sign * baseline_low, new.sign * saved_high, new.sign * saved_low, new.sign * cache_hits,
        new.sign * input_tokens, new.sign * output_tokens, new.sign * unpriced_requests,
        new.sign * estimated_requests, new.sign * failed_requests
    from request_amounts, json_each(request_amounts.tags) as tag
    where request_amounts.user_id = new.user_id and request_amounts.id = new.request_id
    on conflict do update set
        requests = requests + excluded.requests, cost_high = cost_high + excluded.cost_high,
        cost_low = cost_low + excluded.cost_low, baseline_high = baseline_high + excluded.baseline_high,
        baseline_low = baseline_low + excluded.baseline_low, saved_high = saved_high + excluded.saved_high,
        saved_low = saved_low + excluded.saved_low, cache_hits = cache_hits + excluded.cache_hits,
        input_tokens = input_tokens + excluded.input_tokens,
        output_tokens = output_tokens + excluded.output_tokens,
        unpriced_requests = unpriced_requests + excluded.unpriced_requests,
        estimated_requests = estimated_requests + excluded.estimated_requests,
        failed_requests = failed_requests + excluded.failed_requests;
end;

create trigger requests_summed_on_insert after insert on requests when new.status <> 'intent' begin
    insert into request_sum_changes values (new.user_id, new.id, new.tags, 1);
end;

create trigger requests_taken_out_before_update before update on requests when old.status <> 'intent' begin
    insert into request_sum_changes values (old.user_id, old.id, old.tags, -1);
end;

create trigger requests_summed_on_update after update on requests when new.status <> 'intent' begin
    insert into request_sum_changes values (new.user_id, new.id, new.tags, 1);
end;

create trigger requests_taken_out_before_delete before delete on requests when old.status <> 'intent' begin
    insert into request_sum_changes values (old.user_id, old.id, old.tags, -1);
end;

insert into request_sum_changes select user_id, id, tags, 1 from requests where status <> 'intent';

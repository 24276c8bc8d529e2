-- What the cache learns of its wrong answers: labels of its decisions, pairs that are never served again, and audits,
-- which are hits that were paid for to learn from.

alter table requests add column is_audit integer not null default 0;

-- The prompt without what means nothing; of several entries that differ in nothing else the newest is found first.
alter table response_cache add column normal_sha256 blob check (length(normal_sha256) = 32);

create index response_cache_by_normal on response_cache (user_id, scope_hash, normal_sha256, created_at)
where normal_sha256 is not null;

-- What an entry has saved so far and will save once more, for each byte that it takes: of too many, the least goes.
alter table response_cache add column saved_per_byte real as (
    1.0 * coalesce(cost_pico, 0) * (1 + hit_count)
        / max(1, length(cast(response_text as blob)) + coalesce(length(cast(prompt_text as blob)), 0)));

create index response_cache_by_value on response_cache (user_id, saved_per_byte, created_at);

-- An answer that somebody called wrong for a prompt; it is never served for it again.
create table negative_pairs (
    user_id              text    not null,
    prompt_sha256        blob    not null check (length(prompt_sha256) = 32),
    cache_entry_id       text    not null,
    created_at           integer not null,
    primary key (user_id, prompt_sha256, cache_entry_id),
    foreign key (user_id, cache_entry_id) references response_cache (user_id, id) on delete cascade
) without rowid;

create index negative_pairs_by_entry on negative_pairs (user_id, cache_entry_id);

-- Labels of a scope, by epoch and cell.
create table calibration (
    user_id              text    not null,
    scope_hash           blob    not null check (length(scope_hash) = 32),
    embedder_fingerprint text    not null,
    epoch                integer not null check (epoch >= 0),
    cell                 text    not null check (length(cast(cell as blob)) <= 40),
    right_labels         integer not null default 0,
    wrong_labels         integer not null default 0,
    undecided_labels     integer not null default 0,
    audits               integer not null default 0,
    primary key (user_id, scope_hash, embedder_fingerprint, epoch, cell)
) without rowid;

-- The present epoch of a scope; one without a row is in its first, 0.
create table calibration_epochs (
    user_id              text    not null,
    scope_hash           blob    not null,
    embedder_fingerprint text    not null,
    epoch                integer not null,
    primary key (user_id, scope_hash, embedder_fingerprint)
) without rowid;

-- Sums of `calibration` over all scopes, each in its present epoch, kept level by whoever counts a label or ends an
-- epoch.
create table calibration_sums (
    user_id              text    not null,
    embedder_fingerprint text    not null,
    cell                 text    not null,
    right_labels         integer not null,
    wrong_labels         integer not null,
    undecided_labels     integer not null,
    audits               integer not null,
    primary key (user_id, embedder_fingerprint, cell)
) without rowid;

-- Audits in the sums of requests, as 0003 has the rest; no request of before is one.
alter table request_sums add column audits integer not null default 0;
alter table request_sums add column audit_cost_high integer not null default 0;
alter table request_sums add column audit_cost_low integer not null default 0;
alter table request_tag_sums add column audits integer not null default 0;
alter table request_tag_sums add column audit_cost_high integer not null default 0;
alter table request_tag_sums add column audit_cost_low integer not null default 0;

drop trigger request_sums_changed;
drop trigger request_tag_sums_changed;
drop view request_amounts;

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
    iif(status <> 'intent' and is_audit, 1, 0)          as audits,
    iif(status <> 'intent' and is_audit, coalesce(cost_pico, 0), 0) >> 32        as audit_cost_high,
    iif(status <> 'intent' and is_audit, coalesce(cost_pico, 0), 0) & 4294967295 as audit_cost_low,
    iif(status = 'intent', coalesce(worst_case_pico, 0), 0) >> 32        as worst_case_high,
    iif(status = 'intent', coalesce(worst_case_pico, 0), 0) & 4294967295 as worst_case_low
from requests;

create trigger request_sums_changed instead of insert on request_sum_changes begin
    insert into request_sums (
        user_id, start, provider_key, model_key, strategy_key, source_key,
        requests, cost_high, cost_low, baseline_high, baseline_low, saved_high, saved_low, cache_hits,
        input_tokens, output_tokens, unpriced_requests, estimated_requests, failed_requests, audits,
        audit_cost_high, audit_cost_low)
    select
        user_id, start, provider_key, model_key, strategy_key, source_key,
        new.sign * requests, new.sign * cost_high, new.sign * cost_low, new.sign * baseline_high,
        new.sign * baseline_low, new.sign * saved_high, new.sign * saved_low, new.sign * cache_hits,
        new.sign * input_tokens, new.sign * output_tokens, new.sign * unpriced_requests,
        new.sign * estimated_requests, new.sign * failed_requests, new.sign * audits,
        new.sign * audit_cost_high, new.sign * audit_cost_low
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
        failed_requests = failed_requests + excluded.failed_requests, audits = audits + excluded.audits,
        audit_cost_high = audit_cost_high + excluded.audit_cost_high,
        audit_cost_low = audit_cost_low + excluded.audit_cost_low;
end;

-- Most requests have no tags.
create trigger request_tag_sums_changed instead of insert on request_sum_changes when new.tags <> '[]' begin
    insert into request_tag_sums (
        user_id, start, tag,
        requests, cost_high, cost_low, baseline_high, baseline_low, saved_high, saved_low, cache_hits,
        input_tokens, output_tokens, unpriced_requests, estimated_requests, failed_requests, audits,
        audit_cost_high, audit_cost_low)
    select
        user_id, start, tag.value,
        new.sign * requests, new.sign * cost_high, new.sign * cost_low, new.sign * baseline_high,
        new.sign * baseline_low, new.sign * saved_high, new.sign * saved_low, new.sign * cache_hits,
        new.sign * input_tokens, new.sign * output_tokens, new.sign * unpriced_requests,
        new.sign * estimated_requests, new.sign * failed_requests, new.sign * audits,
        new.sign * audit_cost_high, new.sign * audit_cost_low
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
        failed_requests = failed_requests + excluded.failed_requests, audits = audits + excluded.audits,
        audit_cost_high = audit_cost_high + excluded.audit_cost_high,
        audit_cost_low = audit_cost_low + excluded.audit_cost_low;
end;

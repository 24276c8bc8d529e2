-- Times: microseconds since 1970-01-01 UTC. Money: pico-dollars. Hashes: 32 bytes.

create table requests (
    user_id              text    not null,
    id                   text    not null,
    created_at           integer not null,
    status               text    not null check (status in ('intent', 'completed', 'failed')),
    prompt_sha256        blob    not null,
    session              text,
    tags                 text    not null default '[]',
    quality              text    not null,
    strategy             text    not null,
    complexity_score     real,
    complexity_tier      text,
    confidence           text,
    reason               text    not null,
    source               text,
    provider             text,
    model                text,
    input_tokens         integer not null default 0,
    cached_input_tokens  integer not null default 0,
    cache_write_tokens   integer not null default 0,
    output_tokens        integer not null default 0,
    reasoning_tokens     integer not null default 0,
    cost_pico            integer,
    cost_estimated       integer not null default 0,
    worst_case_pico      integer,
    baseline_provider    text,
    baseline_model       text,
    baseline_cost_pico   integer,
    saved_pico           integer,
    latency_ms           integer not null default 0,
    provider_latency_ms  integer not null default 0,
    finish_reason        text,
    attempts             text    not null default '[]',
    cache_entry_id       text,
    similarity           real,
    error                text,
    primary key (user_id, id)
) without rowid;

create index requests_by_time on requests (user_id, created_at);

-- The numbering is never reused, so that a process can ask for the rows it has not seen.
create table response_cache (
    row_number           integer primary key autoincrement,
    user_id              text    not null,
    id                   text    not null,
    scope_hash           blob    not null,
    prompt_sha256        blob    not null,
    embedder_fingerprint text,
    embedding            blob,
    response_text        text    not null,
    provider             text    not null,
    model                text    not null,
    input_tokens         integer not null,
    cached_input_tokens  integer not null,
    cache_write_tokens   integer not null,
    output_tokens        integer not null,
    reasoning_tokens     integer not null,
    cost_pico            integer,
    finish_reason        text    not null,
    request_id           text    not null,
    created_at           integer not null,
    expires_at           integer not null,
    hit_count            integer not null default 0,
    approval_sum         real    not null default 0,
    rating_count         integer not null default 0,
    retired_at           integer,
    unique (user_id, id),
    unique (user_id, scope_hash, prompt_sha256)
);

create index response_cache_by_request on response_cache (user_id, request_id);
create index response_cache_by_expiry on response_cache (expires_at);

create table response_feedback (
    user_id              text    not null,
    request_id           text    not null,
    cache_entry_id       text,
    score                real    not null check (score between 0 and 1),
    verdict              text,
    comment              text,
    created_at           integer not null,
    primary key (user_id, request_id),
    foreign key (user_id, request_id) references requests (user_id, id)
) without rowid;

create index response_feedback_by_entry on response_feedback (user_id, cache_entry_id);

-- Local only: rows that other processes must drop from their copy of the vectors.
create table cache_changes (
    change_number        integer primary key autoincrement,
    row_number           integer not null
);

create trigger response_cache_deleted after delete on response_cache begin
    insert into cache_changes (row_number) values (old.row_number);
end;

create trigger response_cache_retired after update of retired_at on response_cache
when new.retired_at is not null begin
    insert into cache_changes (row_number) values (new.row_number);
end;

create view value_metrics as
select user_id, id as request_id, created_at, baseline_provider, baseline_model, baseline_cost_pico, cost_pico,
       saved_pico
from requests
where saved_pico is not null;

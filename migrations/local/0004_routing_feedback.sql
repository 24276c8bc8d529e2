-- A model that was asked for a request, and how well it did, once that is known.

-- Numbers of rows are in the order of writing: the newest row is never dropped, so none is used again.
create table routing_feedback (
    row_number           integer primary key,
    user_id              text    not null,
    request_id           text    not null,
    provider             text    not null,
    model                text    not null,
    embedder_fingerprint text,
    embedding            blob,
    score                real check (score between 0 and 1),
    source               text check (source in ('rating', 'automatic')),
    created_at           integer not null,
    -- Counts up as rows with an embedding are scored, and is kept when the score changes: the oldest are dropped
    -- by it, and a process asks by it for those that it has not seen. A maximum is found by the index where the
    -- question says that it is not null.
    scored_number        integer,
    unique (user_id, request_id, provider, model)
);

create unique index routing_feedback_scored on routing_feedback (user_id, scored_number)
where scored_number is not null;

create index routing_feedback_unscored on routing_feedback (user_id) where scored_number is null;

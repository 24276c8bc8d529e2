-- What routing learns from all outcomes together, beside those of similar prompts.

-- What was expected of each candidate, until its outcome is known.
alter table requests add column forecast text;

-- Sums that are added to outcome by outcome; the program writes and reads them.
create table routing_state (
    user_id              text    not null,
    embedder_fingerprint text    not null,
    -- Counts up, so that of two who add to the same sums the later one sees it and adds again.
    revision             integer not null check (revision > 0),
    state                blob    not null,
    primary key (user_id, embedder_fingerprint)
);

create index requests_by_session on requests (user_id, session) where session is not null;

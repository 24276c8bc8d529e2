-- Experiments: their arms, the requests that came to them, and what became of those.

-- The arms of experiments that a request was answered by, as JSON:
-- [{experiment_id, experiment, arm, place, unit, before}]; without a unit the arm is the default, and the request no outcome.
alter table requests add column exposures text not null default '[]';

create table experiments (
    user_id              text    not null,
    id                   text    not null,
    name                 text    not null,
    -- What was asked for, as JSON; the program writes and reads it.
    definition           text    not null,
    -- What the arms set, as JSON: two active experiments have none in common.
    knobs                text    not null,
    status               text    not null check (status in ('active', 'stopped', 'archived')),
    created_at           integer not null,
    ended_by             text,
    ended_at             integer,
    adopted              text,
    adopted_at           integer,
    idempotency_key      text,
    primary key (user_id, id),
    unique (user_id, name),
    unique (user_id, idempotency_key)
) without rowid;

-- A request in an arm, with its outcome; ratings come late.
create table experiment_results (
    user_id              text    not null,
    experiment_id        text    not null,
    request_id           text    not null,
    -- The arm's place among the arms; control is 0.
    arm                  integer not null check (arm >= 0),
    -- The request or session that was assigned, and what was known of it before.
    unit                 text    not null,
    before               real    not null,
    assigned_at          integer not null,
    ended_at             integer,
    is_answered          integer,
    cost_pico            integer,
    saved_pico           integer,
    latency_ms           integer,
    rating               real check (rating between 0 and 1),
    rated_at             integer,
    primary key (user_id, experiment_id, request_id),
    foreign key (user_id, experiment_id) references experiments (user_id, id),
    foreign key (user_id, request_id) references requests (user_id, id)
) without rowid;

create index experiment_results_by_request on experiment_results (user_id, request_id);

-- Local only: sums over the results of an arm, level with them, so that a report reads no results. JSON, which the
-- program writes and reads.
create table experiment_sums (
    user_id              text    not null,
    experiment_id        text    not null,
    arm                  integer not null,
    observed             text    not null,
    primary key (user_id, experiment_id, arm)
) without rowid;

-- Local only: outcomes of a session so far, which is what has to be taken out of the sums when it has one more.
create table experiment_sessions (
    user_id              text    not null,
    experiment_id        text    not null,
    session              text    not null,
    before               real    not null,
    outcomes             text    not null,
    primary key (user_id, experiment_id, session)
) without rowid;

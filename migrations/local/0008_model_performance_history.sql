-- How well each model did day by day, for the program to see where one gets worse.

-- Days are counted from 1970-01-01 UTC, and are those of the requests.
create table model_performance_history (
    user_id   text    not null,
    provider  text    not null,
    model     text    not null,
    day       integer not null,
    outcomes  integer not null check (outcomes >= 0),
    score_sum real    not null check (score_sum >= 0),
    primary key (user_id, day, provider, model)
);

create index routing_feedback_by_day on routing_feedback (user_id, provider, model, created_at) where score is not null;

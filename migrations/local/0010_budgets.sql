-- Limits of what may be spent, and what requests under way may cost at the most. What is spent is in the sums of requests.

create table budgets (
    user_id              text    not null,
    period               text    not null check (period in ('day', 'month')),
    -- Only requests with this tag; empty: all.
    tag                  text    not null default '',
    set_by               text    not null check (set_by in ('cli', 'tool')),
    limit_pico           integer not null check (limit_pico >= 0),
    on_breach            text    not null check (on_breach in ('warn', 'downgrade', 'block')),
    updated_at           integer not null,
    primary key (user_id, period, tag, set_by)
) without rowid;

-- Written with a request's intent and gone with its end. If its process dies it ends by itself.
create table budget_reservations (
    user_id              text    not null,
    request_id           text    not null,
    amount_pico          integer not null check (amount_pico >= 0),
    created_at           integer not null,
    tags                 text    not null,
    -- The process that reserved it.
    owner                text    not null,
    expires_at           integer not null,
    primary key (user_id, request_id)
) without rowid;

-- The requests whose saving is a range, as their cost had to be estimated.
create index requests_estimated on requests (user_id, created_at) where cost_estimated;

-- What a request's record holds and its row did not, so that a record is read back as it was written.

alter table requests add column cache_write_1h_tokens integer not null default 0;
alter table requests add column cache_age_seconds integer;

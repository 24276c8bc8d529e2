-- What the words of a cached prompt were, where it may be compared with others; null where it may not, and in rows from
-- before this.

alter table response_cache add column prompt_text text;

-- How probably a cached answer answered the prompt that it was served for.
alter table requests add column cache_score real check (cache_score between 0 and 1);

-- What the words of a cached prompt were, where it may be compared with others; null where it may not, and in rows from
-- before this.

alter table response_cache add column prompt_text text;

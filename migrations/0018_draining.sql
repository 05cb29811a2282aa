-- Since when a worker gets no new builds because a person said so; NULL when it does.
ALTER TABLE workers ADD COLUMN draining_since TIMESTAMP;

-- Builds that were built a second time while workers were idle, to see whether the same
-- packages come out.
ALTER TABLE builds ADD COLUMN repeat_of INTEGER NOT NULL DEFAULT 0; -- of a second build: the first

CREATE INDEX builds_repeat ON builds (repeat_of) WHERE repeat_of <> 0;

CREATE INDEX builds_output ON builds (output_digest) WHERE output_digest <> '';

-- Once for each input key.
CREATE TABLE repeats (
    input_key     TEXT PRIMARY KEY,
    output_digest TEXT NOT NULL, -- of the packages that were built first
    first_id      INTEGER NOT NULL, -- the build that made them
    second_id     INTEGER NOT NULL, -- the latest second build; 0: it was stopped before its end, and may be begun again
    stopped       INTEGER NOT NULL DEFAULT 0, -- how often that happened
    result        TEXT NOT NULL DEFAULT '' CHECK (result IN ('', 'reproducible', 'differs', 'unknown')),
    detail        TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(detail)), -- what differs, or why it cannot be said: lines
    at            TIMESTAMP NOT NULL
) WITHOUT ROWID;

CREATE INDEX repeats_output ON repeats (output_digest);

CREATE INDEX repeats_second ON repeats (second_id) WHERE second_id <> 0;

CREATE INDEX repeats_open ON repeats (at) WHERE result = '';

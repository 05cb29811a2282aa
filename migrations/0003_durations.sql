-- What is learned while building: how long packages take, who was served last,
-- and since when a worker has been trusted again.

-- When a worker last took a build of the buildspace.
ALTER TABLE buildspaces ADD COLUMN served_at TIMESTAMP;

-- When a person resumed the worker: what it failed before does not count.
ALTER TABLE workers ADD COLUMN trusted_at TIMESTAMP;

-- "How did the machine's latest attempts end?"
CREATE INDEX attempts_worker ON attempts (worker, finished_at) WHERE state = 'finished';

-- The latest durations of a package, in seconds, with their median. It outlives
-- the attempts it was learned from.
CREATE TABLE durations (
    pkgbase      TEXT NOT NULL,
    architecture TEXT NOT NULL,
    seconds      REAL NOT NULL CHECK (seconds > 0),
    recent       TEXT NOT NULL, -- a JSON array, oldest first
    learned_at   TIMESTAMP NOT NULL,
    PRIMARY KEY (pkgbase, architecture)
) WITHOUT ROWID;

-- Whose fault a failure is: the same build once more, then the same commit on the base
-- alone. Failures from before are compared when somebody asks for it.
ALTER TABLE buildspaces ADD COLUMN baseline BOOLEAN NOT NULL DEFAULT TRUE;

-- The one buildspace of the builds on the base alone is hidden. Each has an iteration of
-- its own.
ALTER TABLE buildspaces ADD COLUMN hidden BOOLEAN NOT NULL DEFAULT FALSE;

ALTER TABLE builds ADD COLUMN verdict TEXT NOT NULL DEFAULT '' CHECK (verdict IN ('', 'yours', 'already-broken', 'flaky', 'infrastructure'));
ALTER TABLE builds ADD COLUMN baseline_id INTEGER NOT NULL DEFAULT 0; -- of a build on the base alone

CREATE INDEX builds_verdict ON builds (iteration_id, verdict) WHERE verdict <> '';

-- A commit on one state of the base, for all buildspaces.
CREATE TABLE baselines (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    commit_id    TEXT NOT NULL,
    architecture TEXT NOT NULL,
    base_key     TEXT NOT NULL, -- a digest of the base's packages that it is built with
    base_at      TIMESTAMP NOT NULL, -- when the base was read
    build_id     INTEGER NOT NULL REFERENCES builds (id), -- the latest on the base alone
    UNIQUE (commit_id, architecture, base_key)
);

CREATE INDEX baselines_build ON baselines (build_id);

-- Failed builds that are being compared, or were.
CREATE TABLE comparisons (
    build_id     INTEGER PRIMARY KEY REFERENCES builds (id) ON DELETE CASCADE,
    asked        BOOLEAN NOT NULL, -- by a person: it goes first
    again        INTEGER NOT NULL DEFAULT 0, -- number of the attempt that builds it once more; 0: not begun
    failed_again BOOLEAN NOT NULL DEFAULT FALSE,
    baseline_id  INTEGER NOT NULL DEFAULT 0, -- 0: not known yet
    message      TEXT NOT NULL DEFAULT '', -- why there will be no verdict
    at           TIMESTAMP NOT NULL
);

CREATE INDEX comparisons_baseline ON comparisons (baseline_id) WHERE baseline_id <> 0;

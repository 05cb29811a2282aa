-- Builds handed to GitLab.

CREATE TABLE pipelines (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    build_id   INTEGER NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    state      TEXT NOT NULL CHECK (state IN ('creating', 'created', 'ended')),
    project_id INTEGER NOT NULL,
    project    TEXT NOT NULL,
    ref        TEXT NOT NULL UNIQUE,
    number     INTEGER NOT NULL DEFAULT 0,
    status     TEXT NOT NULL DEFAULT '',
    url        TEXT NOT NULL DEFAULT '',
    attempt_id INTEGER NOT NULL DEFAULT 0,
    job        INTEGER NOT NULL DEFAULT 0,
    message    TEXT NOT NULL DEFAULT '',
    pinned     BOOLEAN NOT NULL DEFAULT TRUE, -- ref may be in GitLab
    created_at TIMESTAMP NOT NULL,
    seen_at    TIMESTAMP,
    ended_at   TIMESTAMP,
    CHECK ((state = 'ended') = (ended_at IS NOT NULL))
);

CREATE INDEX pipelines_build ON pipelines (build_id, id);

-- "What is to be observed?"
CREATE INDEX pipelines_open ON pipelines (id) WHERE state <> 'ended';

-- "Which refs are to be removed?"
CREATE INDEX pipelines_pinned ON pipelines (id) WHERE state = 'ended' AND pinned;

-- "Which of ours is it that GitLab tells about?"
CREATE INDEX pipelines_number ON pipelines (number) WHERE number <> 0;

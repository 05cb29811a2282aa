-- Nothing identical is built twice: what a build was made from, what came of
-- it, and why a pending one is not handed out.

ALTER TABLE buildspaces ADD COLUMN reuse BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE buildspaces ADD COLUMN cut_off BOOLEAN NOT NULL DEFAULT TRUE;

-- What the plan would build, to tell whether a later plan differs (follow_all).
ALTER TABLE iterations ADD COLUMN plan_digest TEXT NOT NULL DEFAULT '';

ALTER TABLE builds ADD COLUMN input_key TEXT NOT NULL DEFAULT '';
ALTER TABLE builds ADD COLUMN output_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE builds ADD COLUMN held TEXT NOT NULL DEFAULT '' CHECK (held IN ('', 'reuse', 'linking', 'decide', 'running'));
ALTER TABLE builds ADD COLUMN may_skip BOOLEAN NOT NULL DEFAULT FALSE; -- the cut-off may apply
ALTER TABLE builds ADD COLUMN forced BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE builds ADD COLUMN reused_from INTEGER NOT NULL DEFAULT 0; -- a build, of any iteration
CREATE INDEX builds_key ON builds (input_key) WHERE input_key <> '';
CREATE INDEX builds_held ON builds (held, id) WHERE held <> '';
DROP INDEX builds_pending;
CREATE INDEX builds_pending ON builds (iteration_id, architecture, priority DESC, id) WHERE status = 'pending' AND twin_of = 0 AND held = '';

-- Under which key its packages are a result for others; empty when they are not.
ALTER TABLE attempts ADD COLUMN input_key TEXT NOT NULL DEFAULT '';

-- A reused build has the packages of another one's attempt, and keeps them when
-- that one is removed.
CREATE TABLE packages_of_builds (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    build_id     INTEGER NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    attempt_id   INTEGER NOT NULL, -- which made it; not always one of build_id
    pkgname      TEXT NOT NULL,
    version      TEXT NOT NULL,
    architecture TEXT NOT NULL,
    filename     TEXT NOT NULL,
    sha256       TEXT NOT NULL CHECK (length(sha256) = 64),
    size         INTEGER NOT NULL,
    published    BOOLEAN NOT NULL DEFAULT FALSE,
    created_at   TIMESTAMP NOT NULL,
    UNIQUE (build_id, attempt_id, filename)
);
INSERT INTO packages_of_builds SELECT id, build_id, attempt_id, pkgname, version, architecture, filename, sha256, size, published, created_at FROM packages;
DROP TABLE packages;
ALTER TABLE packages_of_builds RENAME TO packages;
CREATE INDEX packages_pkgname ON packages (pkgname);

-- What dependents can notice of a package, by the digest of its file.
CREATE TABLE interfaces (
    sha256    TEXT PRIMARY KEY CHECK (length(sha256) = 64),
    interface TEXT NOT NULL -- alpm.Interface as JSON
) WITHOUT ROWID;

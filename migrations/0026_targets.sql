-- Repositories into which packages are released.
CREATE TABLE targets (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL CHECK (kind IN ('served', 'directory')),
    path       TEXT NOT NULL,
    after      TEXT NOT NULL, -- name of the target that stands behind it; '': only the base does
    configured BOOLEAN NOT NULL, -- in the settings with which the server runs
    generation INTEGER NOT NULL DEFAULT 0 -- number of the one that is shown; 0: none yet
);

-- Sets of packages that go into a target, as a whole or not at all. They keep their ids when
-- the set is computed again.
CREATE TABLE releases (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    iteration_id INTEGER NOT NULL REFERENCES iterations (id) ON DELETE CASCADE,
    target_id    INTEGER NOT NULL REFERENCES targets (id),
    state        TEXT NOT NULL CHECK (state IN ('checked', 'signing', 'handing-over', 'released', 'failed', 'withdrawn')),
    digest       TEXT NOT NULL, -- of the set: pkgbases, versions and files
    base         TEXT NOT NULL, -- digest of the base repositories that it was computed against
    generation   INTEGER NOT NULL, -- number of the target's generation that it was computed against
    units        INTEGER NOT NULL, -- pkgbases that go
    packages     INTEGER NOT NULL, -- package files that go
    proven       BOOLEAN NOT NULL,
    at_most      INTEGER NOT NULL,
    message      TEXT NOT NULL DEFAULT '',
    created_by   TEXT NOT NULL,
    created_at   TIMESTAMP NOT NULL,
    confirmed_by TEXT NOT NULL DEFAULT '',
    confirmed_at TIMESTAMP,
    finished_at  TIMESTAMP
);

CREATE INDEX releases_iteration ON releases (iteration_id);
CREATE INDEX releases_target ON releases (target_id, id);
CREATE INDEX releases_unfinished ON releases (id) WHERE state = 'handing-over';

CREATE TABLE release_units (
    release_id INTEGER NOT NULL REFERENCES releases (id) ON DELETE CASCADE,
    pkgbase    TEXT NOT NULL,
    goes       BOOLEAN NOT NULL,
    version    TEXT NOT NULL,
    pkgnames   TEXT NOT NULL, -- a JSON array
    reason     TEXT NOT NULL, -- why it is held; '' when it goes
    build_id   INTEGER NOT NULL,
    PRIMARY KEY (release_id, pkgbase)
) WITHOUT ROWID;

-- The states of a target, one after the other. A row is written before the files are, so
-- that a crash is rolled forward.
CREATE TABLE generations (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    target_id  INTEGER NOT NULL REFERENCES targets (id),
    number     INTEGER NOT NULL CHECK (number > 0),
    parent     INTEGER NOT NULL, -- number of the one to which withdrawing goes back; 0: none
    state      TEXT NOT NULL CHECK (state IN ('writing', 'complete', 'gone')),
    release_id INTEGER NOT NULL, -- whose packages it shows as the latest; 0: none
    undoes     INTEGER NOT NULL, -- the release that it withdraws; 0: none
    digest     TEXT NOT NULL DEFAULT '', -- of its files
    packages   INTEGER NOT NULL DEFAULT 0, -- files, of all architectures
    created_by TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (target_id, number)
);

-- One at a time is written.
CREATE UNIQUE INDEX generations_writing ON generations (target_id) WHERE state = 'writing';

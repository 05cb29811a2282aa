-- What people decided about what a buildspace releases, with who, when and why.
CREATE TABLE waivers (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    buildspace_id INTEGER NOT NULL REFERENCES buildspaces (id) ON DELETE CASCADE,
    kind          TEXT NOT NULL CHECK (kind IN ('break', 'drop', 'hold', 'together')),
    name          TEXT NOT NULL,
    other         TEXT NOT NULL DEFAULT '' CHECK ((other <> '') = (kind = 'together')),
    reason        TEXT NOT NULL CHECK (reason <> ''),
    by            TEXT NOT NULL,
    at            TIMESTAMP NOT NULL,
    UNIQUE (buildspace_id, kind, name, other)
);

-- How the packages of a build differ from those that the base repositories had when
-- the build was looked at: a row for each check. Builds of before have none.
CREATE TABLE check_results (
    build_id INTEGER NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL,
    outcome  TEXT NOT NULL CHECK (outcome IN ('ok', 'found', 'unknown')),
    detail   TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(detail)), -- lines that differ
    PRIMARY KEY (build_id, kind)
) WITHOUT ROWID;

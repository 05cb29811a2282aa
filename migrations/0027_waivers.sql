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

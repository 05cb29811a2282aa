-- Which packages a build was compared with. Users of one target have others than
-- those of the next, so there is a comparison for each.
CREATE TABLE checked_builds (
    build_id INTEGER NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    view     TEXT NOT NULL, -- the target whose users are meant; empty: they have the base repositories only
    before   TEXT NOT NULL CHECK (json_valid(before)), -- by pkgname: the package that they had
    stale    BOOLEAN NOT NULL DEFAULT FALSE, -- they have another one by now
    PRIMARY KEY (build_id, view)
) WITHOUT ROWID;

ALTER TABLE check_results RENAME TO old_check_results;

CREATE TABLE check_results (
    build_id INTEGER NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    view     TEXT NOT NULL, -- as in checked_builds
    kind     TEXT NOT NULL,
    outcome  TEXT NOT NULL CHECK (outcome IN ('ok', 'found', 'unknown')),
    detail   TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(detail)), -- lines that differ
    PRIMARY KEY (build_id, view, kind)
) WITHOUT ROWID;

-- They were found with the base repositories, and are shown until there are others.
INSERT INTO check_results (build_id, view, kind, outcome, detail)
SELECT build_id, '', kind, outcome, detail
FROM old_check_results;

DROP TABLE old_check_results;

-- What namcap wrote about the packages of an attempt, on the machine that built them.
-- Attempts of machines without namcap have no row.
CREATE TABLE namcap_reports (
    attempt_id INTEGER PRIMARY KEY REFERENCES attempts (id) ON DELETE CASCADE,
    lines      TEXT NOT NULL CHECK (json_valid(lines))
);

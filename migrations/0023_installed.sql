-- What was installed where an attempt ran. Thousands of builds of one day share nearly all
-- of their packages, so each name with a version is stored once, and so is each set.
CREATE TABLE installed_packages (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    version TEXT NOT NULL,
    UNIQUE (name, version)
);

CREATE TABLE installed_sets (
    id       INTEGER PRIMARY KEY,
    digest   TEXT NOT NULL UNIQUE, -- of its names and versions
    packages TEXT NOT NULL CHECK (json_valid(packages)) -- ids of installed_packages, ascending
);

-- 0: not recorded, as for all attempts from before.
ALTER TABLE attempts ADD COLUMN installed_id INTEGER NOT NULL DEFAULT 0;

-- Attempts that came to a result, with what tells them apart for people. The commit is the
-- source's where the build has one that was made for a higher version.
CREATE VIEW ended_attempts AS
SELECT
    a.id,
    a.build_id,
    a.number,
    a.outcome,
    a.finished_at,
    a.installed_id,
    b.pkgbase,
    b.architecture,
    b.iteration_id,
    s.name AS buildspace,
    i.number AS iteration,
    coalesce(m.source_commit, b.commit_id) AS commit_id
FROM builds AS b
JOIN attempts AS a ON a.build_id = b.id
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
LEFT JOIN bumps AS m ON m.commit_id = b.commit_id
WHERE a.state = 'finished'
  AND a.outcome IN ('built', 'failed', 'timed-out', 'stalled')
  AND NOT s.hidden;

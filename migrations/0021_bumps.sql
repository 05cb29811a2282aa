-- Rebuilds get a higher version. Buildspaces from before go on as they began: with it
-- switched on, everything in them would be built once more.
ALTER TABLE buildspaces ADD COLUMN bump BOOLEAN NOT NULL DEFAULT FALSE;

-- Commits that were made of a source's with another pkgrel.
CREATE TABLE bumps (
    commit_id     TEXT PRIMARY KEY,
    source_commit TEXT NOT NULL,
    bumped_from   TEXT NOT NULL, -- the source's version
    version       TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX bumps_source ON bumps (source_commit);

-- The versions that buildspaces build or have built, each with a digest of all that it
-- is built from: no version stands for two. Of builds from before it is not known.
CREATE TABLE taken_versions (
    pkgbase       TEXT NOT NULL,
    architecture  TEXT NOT NULL,
    version       TEXT NOT NULL,
    buildspace_id INTEGER NOT NULL REFERENCES buildspaces (id) ON DELETE CASCADE,
    input         TEXT NOT NULL,
    PRIMARY KEY (pkgbase, architecture, version, buildspace_id)
) WITHOUT ROWID;

CREATE INDEX taken_versions_buildspace ON taken_versions (buildspace_id);

INSERT INTO taken_versions (pkgbase, architecture, version, buildspace_id, input)
SELECT DISTINCT
    b.pkgbase,
    b.architecture,
    b.version,
    i.buildspace_id,
    ''
FROM builds AS b
JOIN iterations AS i ON i.id = b.iteration_id
WHERE b.status IN ('scheduled', 'building', 'built')
   OR b.output_digest <> '';

-- Versions of rebuilds, and the commits that have them.

-- name: taken_versions
-- What a buildspace planned under a version and has no packages of, it may plan anew.
SELECT
    v.pkgbase,
    v.architecture,
    v.version,
    v.input,
    v.buildspace_id <> :buildspace OR EXISTS (
        SELECT 1
        FROM builds AS b
        JOIN iterations AS i ON i.id = b.iteration_id
        WHERE b.pkgbase = v.pkgbase
          AND b.architecture = v.architecture
          AND b.version = v.version
          AND i.buildspace_id = v.buildspace_id
          AND (b.status IN ('scheduled', 'building', 'built') OR b.output_digest <> '')
    ) AS begun
FROM taken_versions AS v
WHERE v.pkgbase IN (SELECT value FROM json_each(:pkgbases))
ORDER BY v.pkgbase, v.architecture, v.version;

-- name: take_versions
-- Arrays of pkgbase, architecture, version and input. A version of which there may be
-- packages of another input, too, stands for none: whoever raises no pkgrel makes such.
INSERT INTO taken_versions AS v (
    pkgbase,
    architecture,
    version,
    buildspace_id,
    input
)
SELECT
    k.value ->> 0,
    k.value ->> 1,
    k.value ->> 2,
    :buildspace,
    k.value ->> 3
FROM json_each(:versions) AS k
WHERE TRUE
ON CONFLICT (pkgbase, architecture, version, buildspace_id) DO UPDATE
    SET
        input = CASE
            WHEN EXISTS (
                SELECT 1
                FROM builds AS b
                JOIN iterations AS i ON i.id = b.iteration_id
                WHERE b.pkgbase = v.pkgbase
                  AND b.architecture = v.architecture
                  AND b.version = v.version
                  AND i.buildspace_id = v.buildspace_id
                  AND (b.status IN ('scheduled', 'building', 'built') OR b.output_digest <> '')
            ) THEN ''
            ELSE excluded.input
        END
    WHERE v.input <> excluded.input;

-- name: add_bumps
-- Arrays of the commit, the source's commit, its version, and the commit's.
INSERT INTO bumps (
    commit_id,
    source_commit,
    bumped_from,
    version
)
SELECT
    k.value ->> 0,
    k.value ->> 1,
    k.value ->> 2,
    k.value ->> 3
FROM json_each(:bumps) AS k
WHERE TRUE
ON CONFLICT (commit_id) DO NOTHING;

-- name: bumps_of_commits
SELECT *
FROM bumps
WHERE source_commit IN (SELECT value FROM json_each(:commits));

-- name: bumps_made
SELECT *
FROM bumps
WHERE commit_id IN (SELECT value FROM json_each(:commits));

-- name: iterations_with_bumps
-- All iterations, and which of them have something to do that needs bumps.
SELECT
    i.id,
    s.name AS buildspace,
    i.number AS iteration,
    i.state = 'ready' AND EXISTS (
        SELECT 1
        FROM builds AS b
        JOIN bumps AS m ON m.commit_id = b.commit_id
        WHERE b.iteration_id = i.id
    ) AS needed
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
ORDER BY i.id;

-- name: bumps_of_iteration
SELECT DISTINCT m.*
FROM builds AS b
JOIN bumps AS m ON m.commit_id = b.commit_id
WHERE b.iteration_id = :iteration
ORDER BY m.commit_id;

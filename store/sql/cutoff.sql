-- The cut-off: whether a build would notice any change (docs/domain.md, "Cut-off").

-- name: triggers
-- The dependencies of a kind that brings dependents into the set, and those on a
-- build's own first stage; with the build's latest result of the same commit in its
-- buildspace, and what that one was built against.
WITH wanted AS (
    SELECT
        b.id,
        b.pkgbase,
        b.architecture,
        s.makedepends,
        coalesce((
            SELECT max(p.id)
            FROM builds AS p
            JOIN iterations AS pi ON pi.id = p.iteration_id
            WHERE p.pkgbase = b.pkgbase
              AND p.architecture = b.architecture
              AND p.stage = b.stage
              AND p.commit_id = b.commit_id
              AND p.no_check = b.no_check
              AND p.status = 'built'
              AND pi.buildspace_id = i.buildspace_id
              AND p.iteration_id < b.iteration_id
        ), 0) AS previous_id
    FROM json_each(:builds) AS k
    CROSS JOIN builds AS b ON b.id = k.value
    JOIN iterations AS i ON i.id = b.iteration_id
    JOIN buildspaces AS s ON s.id = i.buildspace_id
)
SELECT
    w.id AS to_build,
    d.id,
    d.pkgbase,
    d.pkgbase = w.pkgbase AS own,
    d.status,
    w.previous_id,
    w.makedepends,
    coalesce(was.id, 0) AS was_id,
    coalesce(was.status, '') AS was_status
FROM wanted AS w
JOIN edges AS e ON e.to_build = w.id
JOIN builds AS d ON d.id = e.from_build
LEFT JOIN builds AS previous ON previous.id = w.previous_id
LEFT JOIN builds AS was ON was.iteration_id = previous.iteration_id
    AND was.architecture = d.architecture
    AND was.pkgbase = d.pkgbase
    AND was.stage = d.stage
WHERE d.pkgbase = w.pkgbase
   OR e.through = '[]'
  AND e.kinds & iif(w.makedepends, :kinds_with_makedepends, :kinds) <> 0
ORDER BY w.id, d.pkgbase;

-- name: build_without_cutoff
UPDATE builds
SET may_skip = FALSE
WHERE id = :build;

-- name: keep_packages
-- They are no result for the build's input, from which they were not made.
UPDATE builds
SET may_skip = FALSE,
    held = 'linking',
    reused_from = :from,
    input_key = ''
WHERE id = :build;

-- name: save_interface
-- What is there already stays: a digest means one file.
INSERT INTO interfaces (
    sha256,
    interface
)
VALUES (
    :sha256,
    :interface
)
ON CONFLICT (sha256) DO NOTHING;

-- name: interfaces_of_builds
SELECT
    b.id AS build_id,
    f.interface
FROM builds AS b
JOIN packages AS p ON p.build_id = CASE b.twin_of WHEN 0 THEN b.id ELSE b.twin_of END AND p.published
LEFT JOIN interfaces AS f ON f.sha256 = p.sha256
WHERE b.id IN (SELECT value FROM json_each(:builds))
ORDER BY p.pkgname;

-- name: previous_result
-- The newest earlier one in the buildspace, whatever its commit.
SELECT
    p.id,
    pi.number,
    p.version
FROM builds AS b
JOIN iterations AS i ON i.id = b.iteration_id
JOIN builds AS p ON p.pkgbase = b.pkgbase
    AND p.architecture = b.architecture
    AND p.status = 'built'
    AND p.iteration_id < b.iteration_id
JOIN iterations AS pi ON pi.id = p.iteration_id AND pi.buildspace_id = i.buildspace_id
WHERE b.id = :build
ORDER BY p.id DESC
LIMIT 1;

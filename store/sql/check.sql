-- Results of the checks of builds.

-- name: unchecked_builds
-- Of one iteration, or of all that nothing takes the place of. A twin has the packages of the build
-- that it is a twin of, and its results.
SELECT b.id
FROM builds AS b
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE b.status = 'built'
  AND b.twin_of = 0
  AND NOT s.hidden
  AND (i.id = :iteration OR :iteration = 0 AND i.state <> 'superseded')
  AND b.architecture IN (SELECT value FROM json_each(:architectures))
  AND NOT EXISTS (SELECT 1 FROM check_results AS r WHERE r.build_id = b.id)
ORDER BY b.id DESC
LIMIT :limit;

-- name: save_check
-- Of two that look at one build at the same time the first counts, and a build that is
-- not built any more has no results.
INSERT INTO check_results (
    build_id,
    kind,
    outcome,
    detail
)
SELECT
    b.id,
    :kind,
    :outcome,
    :detail
FROM builds AS b
WHERE b.id = :build
  AND b.status = 'built'
  AND b.output_digest = :digest
ON CONFLICT (build_id, kind) DO NOTHING;

-- name: forget_checks
DELETE FROM check_results
WHERE build_id IN (SELECT value FROM json_each(:builds));

-- name: check_results
SELECT
    b.id AS build_id,
    r.kind,
    r.outcome,
    r.detail
FROM builds AS b
JOIN check_results AS r ON r.build_id = CASE b.twin_of WHEN 0 THEN b.id ELSE b.twin_of END
WHERE b.id IN (SELECT value FROM json_each(:builds))
  AND b.status = 'built'
ORDER BY b.id, r.kind;

-- Builds as pages and lists show them. Lists with filters are composed in build.go:
-- they find the ids, build_rows the rest.

-- name: build
SELECT *
FROM builds
WHERE id = :build;

-- name: build_rows
SELECT
    b.*,
    s.name AS buildspace,
    i.number AS iteration
FROM builds AS b
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE b.id IN (SELECT value FROM json_each(:builds))
ORDER BY b.id;

-- name: build_refs
SELECT
    b.id,
    b.pkgbase,
    b.architecture,
    b.stage,
    b.status,
    b.skip_reason
FROM builds AS b
WHERE b.id IN (SELECT value FROM json_each(:builds));

-- name: builds_of_status
SELECT id
FROM builds
WHERE iteration_id = :iteration
  AND status = :status
ORDER BY id
LIMIT :limit OFFSET :skip;

-- name: finished_builds
-- In all buildspaces, the newest change first.
SELECT id
FROM builds
WHERE pkgbase = :pkgbase
  AND status IN ('built', 'failed', 'skipped')
ORDER BY changed_at DESC, id DESC
LIMIT :limit;

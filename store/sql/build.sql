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
    i.number AS iteration,
    CASE
        WHEN b.status = 'pending' AND b.retries > 0 THEN coalesce((
            SELECT a.message
            FROM attempts AS a
            WHERE a.build_id = b.id
            ORDER BY a.number DESC
            LIMIT 1
        ), '')
        ELSE ''
    END AS last_try,
    coalesce(f.number, 0) AS error_attempt,
    coalesce(f.error_line, 0) AS error_line,
    coalesce(f.error_text, '') AS error_text,
    coalesce((
        SELECT p.version
        FROM packages AS p
        WHERE p.build_id = CASE b.twin_of WHEN 0 THEN b.id ELSE b.twin_of END
          AND p.published
        LIMIT 1
    ), '') AS built_version,
    coalesce(d.seconds, 0) AS usual_seconds,
    coalesce(m.bumped_from, '') AS bumped_from,
    coalesce(m.source_commit, '') AS source_commit,
    c.build_id IS NOT NULL AND c.message = '' AS comparing,
    coalesce(c.message, '') AS not_compared,
    coalesce(l.build_id, 0) AS baseline_build,
    l.base_at
FROM builds AS b
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
LEFT JOIN attempts AS f ON f.build_id = b.id AND f.number = b.attempts AND b.status = 'failed' AND f.error_line > 0
LEFT JOIN bumps AS m ON m.commit_id = b.commit_id
LEFT JOIN durations AS d ON d.pkgbase = b.pkgbase AND d.architecture = b.architecture
LEFT JOIN comparisons AS c ON c.build_id = b.id AND b.status = 'failed'
LEFT JOIN baselines AS l ON l.id = c.baseline_id
WHERE b.id IN (SELECT value FROM json_each(:builds))
ORDER BY b.id;

-- name: build_refs
SELECT
    b.id,
    b.pkgbase,
    b.architecture,
    b.stage,
    b.status,
    b.skip_reason,
    b.verdict,
    coalesce(f.number, 0) AS error_attempt,
    coalesce(f.error_line, 0) AS error_line,
    coalesce(f.error_text, '') AS error_text
FROM builds AS b
LEFT JOIN attempts AS f ON f.build_id = b.id AND f.number = b.attempts AND b.status = 'failed' AND f.error_line > 0
WHERE b.id IN (SELECT value FROM json_each(:builds));

-- name: builds_of_status
SELECT id
FROM builds
WHERE iteration_id = :iteration
  AND status = :status
ORDER BY id
LIMIT :limit OFFSET :skip;

-- name: waiting_builds
-- That wait for dependencies which are on their way: all but the stuck.
SELECT id
FROM builds
WHERE iteration_id = :iteration
  AND status = 'blocked'
  AND id NOT IN (SELECT value FROM json_each(:stuck))
ORDER BY id
LIMIT :limit OFFSET :skip;

-- name: count_cancelled
SELECT count(*)
FROM builds
WHERE iteration_id = :iteration
  AND status = 'skipped'
  AND skip_reason = 'cancelled';

-- name: finished_builds
-- In all buildspaces, the newest change first.
SELECT id
FROM builds
WHERE pkgbase = :pkgbase
  AND status IN ('built', 'failed', 'skipped')
  AND baseline_id = 0
  AND repeat_of = 0
ORDER BY changed_at DESC, id DESC
LIMIT :limit;

-- name: log_origin
-- Of builds that were reused one from the other, the first that was built itself.
WITH RECURSIVE chain (id, depth) AS (
    SELECT b.reused_from, 1
    FROM builds AS b
    WHERE b.id = :build
      AND b.reused_from <> 0
      AND b.status = 'built'
    UNION ALL
    SELECT b.reused_from, chain.depth + 1
    FROM chain
    JOIN builds AS b ON b.id = chain.id
    WHERE b.reused_from <> 0
      AND b.attempts = 0
      AND chain.depth < 1000
)
SELECT chain.id
FROM chain
WHERE EXISTS (SELECT 1 FROM attempts AS a WHERE a.build_id = chain.id)
ORDER BY chain.depth
LIMIT 1;

-- name: fixable_builds
SELECT
    b.id,
    b.pkgbase,
    b.architecture,
    b.stage,
    b.status,
    b.skip_reason,
    b.verdict,
    b.source,
    coalesce((SELECT m.source_commit FROM bumps AS m WHERE m.commit_id = b.commit_id), b.commit_id) AS commit_id,
    s.name AS buildspace,
    c.source IS NOT NULL AS changeset,
    coalesce(c.ref, '') AS ref,
    coalesce(f.number, 0) AS error_attempt,
    coalesce(f.error_line, 0) AS error_line,
    coalesce(f.error_text, '') AS error_text
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
JOIN builds AS b ON b.iteration_id = i.id
LEFT JOIN changesets AS c ON c.buildspace_id = i.buildspace_id AND c.source = b.source
LEFT JOIN attempts AS f ON f.build_id = b.id AND f.number = b.attempts AND f.error_line > 0
WHERE i.id = :iteration
  AND i.state = 'ready'
  AND b.status = 'failed'
ORDER BY b.id
LIMIT :limit;

-- name: fixable_builds_of
SELECT
    b.id,
    b.pkgbase,
    b.architecture,
    b.stage,
    b.status,
    b.skip_reason,
    b.verdict,
    b.source,
    coalesce((SELECT m.source_commit FROM bumps AS m WHERE m.commit_id = b.commit_id), b.commit_id) AS commit_id,
    s.name AS buildspace,
    c.source IS NOT NULL AS changeset,
    coalesce(c.ref, '') AS ref,
    coalesce(f.number, 0) AS error_attempt,
    coalesce(f.error_line, 0) AS error_line,
    coalesce(f.error_text, '') AS error_text
FROM builds AS b
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
LEFT JOIN changesets AS c ON c.buildspace_id = i.buildspace_id AND c.source = b.source
LEFT JOIN attempts AS f ON f.build_id = b.id AND f.number = b.attempts AND f.error_line > 0
WHERE b.id IN (SELECT value FROM json_each(:builds))
  AND i.state = 'ready'
  AND b.status = 'failed';

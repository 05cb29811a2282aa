-- What forecasts are made of, and the priorities that come of them.

-- name: work_of_iteration
SELECT
    id,
    pkgbase,
    architecture,
    stage,
    status,
    skip_reason,
    priority,
    started_at,
    twin_of
FROM builds
WHERE iteration_id = :iteration
ORDER BY id;

-- name: ready_iterations
SELECT
    i.id,
    s.name AS buildspace,
    i.number,
    s.priority,
    EXISTS (
        SELECT 1
        FROM builds AS b
        WHERE b.iteration_id = i.id
          AND b.status IN ('pending', 'scheduled', 'building')
    ) AS working
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE i.state = 'ready'
  AND s.status = 'active'
  AND NOT s.hidden
ORDER BY i.id;

-- name: set_priorities
-- Of builds that are not handed out yet; :priorities are pairs of id and seconds.
UPDATE builds
SET priority = v.value ->> 1
FROM json_each(:priorities) AS v
WHERE builds.id = v.value ->> 0
  AND builds.status IN ('blocked', 'pending');

-- name: span_of_iteration
-- From its first event to its last.
SELECT
    i.created_at AS first,
    i.buildspace_id AS space,
    coalesce((
        julianday((SELECT max(b.changed_at) FROM builds AS b WHERE b.iteration_id = i.id)) - julianday(i.created_at)
    ) * 86400, 0) AS seconds
FROM iterations AS i
WHERE i.id = :iteration;

-- name: burn_down
-- How many builds came to an end, less those that were taken up again, in steps of
-- so many seconds.
SELECT
    CAST((julianday(e.at) - julianday(:first)) * 86400 / :step AS INTEGER) AS bucket,
    sum(e.builds * ((e.from_status IN ('', 'built', 'failed', 'skipped')) - (e.to_status IN ('built', 'failed', 'skipped')))) AS change
FROM events AS e
WHERE e.buildspace_id = :buildspace
  AND e.iteration_id = :iteration
  AND e.kind = 'build'
GROUP BY bucket
ORDER BY bucket;

-- name: stops
-- When the builds that others wait for in vain came to their end, and when somebody
-- stopped the whole buildspace.
SELECT
    b.id AS build,
    b.changed_at AS at,
    '' AS actor
FROM json_each(:builds) AS wanted
JOIN builds AS b ON b.id = wanted.value
UNION ALL
SELECT
    0 AS build,
    e.at,
    e.actor
FROM events AS e
WHERE e.buildspace_id = :buildspace
  AND e.iteration_id = :iteration
  AND e.kind = 'build'
  AND e.cause = 'stopped'
GROUP BY e.at
ORDER BY at
LIMIT :limit;

-- name: durations
SELECT *
FROM durations
ORDER BY pkgbase, architecture;

-- name: duration
SELECT *
FROM durations
WHERE pkgbase = :pkgbase
  AND architecture = :architecture;

-- name: save_duration
INSERT INTO durations (
    pkgbase,
    architecture,
    seconds,
    recent,
    learned_at
)
VALUES (
    :pkgbase,
    :architecture,
    :seconds,
    :recent,
    :now
)
ON CONFLICT (pkgbase, architecture) DO UPDATE
SET seconds = EXCLUDED.seconds,
    recent = EXCLUDED.recent,
    learned_at = EXCLUDED.learned_at;

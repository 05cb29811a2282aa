-- Build machines: what they announce, do and did.

-- name: worker
SELECT *
FROM workers
WHERE name = :name;

-- name: workers
SELECT *
FROM workers
ORDER BY name;

-- name: add_worker
INSERT INTO workers (
    name,
    architectures,
    runners,
    labels,
    version,
    first_seen,
    last_seen
)
VALUES (
    :name,
    :architectures,
    :runners,
    :labels,
    :version,
    :now,
    :now
);

-- name: touch_worker
UPDATE workers
SET architectures = :architectures,
    runners = :runners,
    labels = :labels,
    version = :version,
    last_seen = :now
WHERE name = :name;

-- name: running_builds
SELECT
    a.worker,
    b.*,
    s.name AS buildspace,
    i.number AS iteration
FROM attempts AS a
JOIN builds AS b ON b.id = a.build_id
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE a.state <> 'finished'
ORDER BY a.worker, a.slot, a.id;

-- name: leases
SELECT
    a.worker,
    a.slot,
    a.number,
    a.runner,
    a.state,
    a.outcome,
    a.started_at,
    a.heartbeat_at,
    a.deadline,
    a.finished_at,
    a.build_id,
    b.pkgbase,
    s.name AS buildspace,
    i.number AS iteration
FROM attempts AS a
JOIN builds AS b ON b.id = a.build_id
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE a.state <> 'finished'
ORDER BY a.worker, a.slot, a.id;

-- name: recent_attempts
-- The newest finished ones of every worker.
SELECT
    a.worker,
    a.slot,
    a.number,
    a.runner,
    a.state,
    a.outcome,
    a.started_at,
    a.heartbeat_at,
    a.deadline,
    a.finished_at,
    a.build_id,
    b.pkgbase,
    s.name AS buildspace,
    i.number AS iteration
FROM attempts AS a
JOIN builds AS b ON b.id = a.build_id
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE a.id IN (
    SELECT r.id
    FROM workers AS w
    JOIN attempts AS r ON r.id IN (
        SELECT id
        FROM attempts
        WHERE worker = w.name
          AND state = 'finished'
        ORDER BY finished_at DESC
        LIMIT :limit
    )
)
ORDER BY a.worker, a.finished_at DESC, a.id DESC;

-- name: latest_of_worker
-- Since a person trusted the machine.
SELECT *
FROM attempts
WHERE worker = :worker
  AND state = 'finished'
  AND finished_at > :trusted
ORDER BY finished_at DESC, id DESC
LIMIT :limit;

-- name: peers
-- Other workers that are present, or run something, and have finished builds since.
SELECT *
FROM workers AS w
WHERE w.name <> :worker
  AND w.set_aside = ''
  AND (
    w.last_seen > :present_since
    OR EXISTS (SELECT 1 FROM attempts AS a WHERE a.worker = w.name AND a.state = 'running')
  )
  AND EXISTS (
    SELECT 1
    FROM attempts AS a
    WHERE a.worker = w.name
      AND a.state = 'finished'
      AND a.finished_at >= :since
      AND a.outcome IN ('built', 'failed')
  )
ORDER BY w.name;

-- name: count_slots
-- What the present workers can run at the same time for any of the architectures.
-- A slot that a worker has not shown yet is not counted, but for its first.
SELECT coalesce(sum(max(1, running, finished)), 0)
FROM (
    SELECT
        w.last_seen,
        (
            SELECT coalesce(max(a.slot) + 1, 0)
            FROM attempts AS a
            WHERE a.worker = w.name
              AND a.state = 'running'
        ) AS running,
        (
            SELECT coalesce(max(a.slot) + 1, 0)
            FROM attempts AS a
            WHERE a.worker = w.name
              AND a.state = 'finished'
              AND a.finished_at > :present_since
        ) AS finished
    FROM workers AS w
    WHERE w.set_aside = ''
      AND EXISTS (
        SELECT 1
        FROM json_each(w.architectures) AS a
        JOIN json_each(:architectures) AS b ON b.value = a.value
      )
)
WHERE last_seen > :present_since
   OR running > 0;

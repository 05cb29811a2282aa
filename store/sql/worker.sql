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
    secret_hash,
    instance,
    address,
    connected_at,
    first_seen,
    last_seen
)
VALUES (
    :name,
    :architectures,
    :runners,
    :labels,
    :version,
    :secret_hash,
    :instance,
    :address,
    :connected_at,
    :now,
    :now
);

-- name: touch_worker
UPDATE workers
SET architectures = :architectures,
    runners = :runners,
    labels = :labels,
    version = :version,
    secret_hash = :secret_hash,
    instance = :instance,
    address = :address,
    connected_at = :connected_at,
    last_seen = :now
WHERE name = :name;

-- What a worker reports of its machine; it is named, or by its lease.
-- name: note_machine
UPDATE workers
SET load = :load,
    cores = :cores,
    memory_total = :memory_total,
    memory_free = :memory_free,
    disk_total = :disk_total,
    disk_free = :disk_free,
    measured_at = :now
WHERE name = coalesce((SELECT worker FROM attempts WHERE lease = :lease), :worker)
  AND (measured_at IS NULL OR measured_at <= :before);

-- name: free_worker_name
-- Of a machine that claimed from the server's own.
UPDATE workers
SET secret_hash = '',
    instance = ''
WHERE name = :name
  AND address IN (SELECT value FROM json_each(:addresses));

-- name: drain_worker
UPDATE workers
SET draining_since = :now
WHERE name = :name
  AND draining_since IS NULL;

-- name: resume_worker
-- What a machine that was set aside has failed before does not count any more.
UPDATE workers
SET trusted_at = CASE WHEN set_aside <> '' THEN :now ELSE trusted_at END,
    set_aside = '',
    draining_since = NULL
WHERE name = :name
  AND (set_aside <> '' OR draining_since IS NOT NULL);

-- name: end_setting_aside
-- What a machine has failed before still counts.
UPDATE workers
SET set_aside = ''
WHERE name = :name;

-- name: forget_worker
-- Only one that is not there, and has no attempt that is not at its end.
DELETE FROM workers
WHERE name = :name
  AND last_seen <= :present_since
  AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.worker = workers.name AND a.state <> 'finished');

-- name: heartbeats_of_worker
-- The last sign of life of each build that a worker runs, newest first.
SELECT heartbeat_at
FROM attempts
WHERE worker = :worker
  AND state = 'running'
ORDER BY heartbeat_at DESC;

-- name: running_builds
SELECT
    a.worker,
    b.*,
    iif(s.hidden, '', s.name) AS buildspace,
    iif(s.hidden, 0, i.number) AS iteration
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
    b.baseline_id <> 0 AS of_base,
    b.repeat_of <> 0 AS second,
    iif(s.hidden, '', s.name) AS buildspace,
    iif(s.hidden, 0, i.number) AS iteration
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
    b.baseline_id <> 0 AS of_base,
    b.repeat_of <> 0 AS second,
    iif(s.hidden, '', s.name) AS buildspace,
    iif(s.hidden, 0, i.number) AS iteration
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
-- Since a person trusted the machine, and since it is known: one of its name that was
-- forgotten was another one.
SELECT *
FROM attempts
WHERE worker = :worker
  AND state = 'finished'
  AND finished_at > :trusted
  AND finished_at >= :first_seen
ORDER BY finished_at DESC, id DESC
LIMIT :limit;

-- name: peers
-- Other workers that get builds, are present, or run something, and have finished
-- builds since.
SELECT *
FROM workers AS w
WHERE w.name <> :worker
  AND w.set_aside = ''
  AND w.draining_since IS NULL
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
      AND w.draining_since IS NULL
      AND EXISTS (
        SELECT 1
        FROM json_each(w.architectures) AS a
        JOIN json_each(:architectures) AS b ON b.value = a.value
      )
)
WHERE last_seen > :present_since
   OR running > 0;

-- name: attempts_of_worker
-- Finished ones before another, the newest first.
SELECT
    a.id,
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
    b.baseline_id <> 0 AS of_base,
    b.repeat_of <> 0 AS second,
    iif(s.hidden, '', s.name) AS buildspace,
    iif(s.hidden, 0, i.number) AS iteration
FROM attempts AS a
JOIN builds AS b ON b.id = a.build_id
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE a.worker = :worker
  AND a.state = 'finished'
  AND (:before = 0 OR (a.finished_at, a.id) < (SELECT l.finished_at, l.id FROM attempts AS l WHERE l.id = :before))
ORDER BY a.finished_at DESC, a.id DESC
LIMIT :limit;

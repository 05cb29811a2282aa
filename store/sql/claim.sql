-- What a worker gets, and when it is worth asking again. A claim is one writing
-- transaction: what it finds stays true until it commits.

-- name: best_pending
-- The build to hand out next. First the buildspace by its priority, raised by one
-- for every :aging_days that it has gone without; then the one with the fewest
-- running builds, which count less the higher the priority; then the one that was
-- served longest ago. Within a buildspace the build that the longest chain waits
-- for, then the oldest. The inner selects are one look into an index for each
-- iteration and architecture, so the answer takes the same time with ten pending
-- builds and with ten thousand.
SELECT b.id
FROM (
    SELECT
        CASE s.priority
            WHEN 'low' THEN 0
            WHEN 'normal' THEN 1
            WHEN 'high' THEN 2
            WHEN 'emergency' THEN 3
        END AS rank,
        coalesce(s.served_at, s.created_at) AS served,
        (
            SELECT count(*)
            FROM builds AS r
            WHERE r.iteration_id = i.id
              AND r.status IN ('scheduled', 'building')
        ) AS running,
        (
            SELECT p.id
            FROM builds AS p
            WHERE p.iteration_id = i.id
              AND p.architecture = arch.value
              AND p.status = 'pending'
              AND p.twin_of = 0
              AND p.held = ''
              AND (p.not_before IS NULL OR p.not_before <= :now)
            ORDER BY p.priority DESC, p.id
            LIMIT 1
        ) AS best
    FROM iterations AS i
    JOIN buildspaces AS s ON s.id = i.buildspace_id
    JOIN json_each(:architectures) AS arch
    WHERE i.state = 'ready'
      AND s.status = 'active'
      AND NOT s.hidden
) AS first
JOIN builds AS b ON b.id = first.best
WHERE first.running < :most_running
ORDER BY
    first.rank + CAST((julianday(:now) - julianday(max(first.served, b.changed_at))) / :aging_days AS INTEGER) DESC,
    (first.running + 1.0) / (1 << first.rank),
    first.served,
    b.priority DESC,
    b.id
LIMIT 1;

-- name: waiting_since
-- Since when a pending build could be handed out. One row has the end of its pause, if it had
-- one; else the other has the last change of its status. Columns keep their type so.
SELECT not_before
FROM builds
WHERE id = :build
  AND status = 'pending'
  AND not_before > changed_at
UNION ALL
SELECT changed_at
FROM builds
WHERE id = :build
  AND status = 'pending'
  AND coalesce(not_before, '') <= changed_at;

-- name: attempt_of_slot
SELECT *
FROM attempts
WHERE worker = :worker
  AND slot = :slot
  AND state = 'running';

-- name: start_attempt
INSERT INTO attempts (
    build_id,
    number,
    worker,
    slot,
    runner,
    lease,
    random,
    state,
    deadline,
    holder,
    started_at,
    heartbeat_at
)
VALUES (
    :build,
    :number,
    :worker,
    :slot,
    :runner,
    :lease,
    :random,
    'running',
    :deadline,
    :holder,
    :now,
    :now
)
RETURNING id;

-- name: resume_attempt
UPDATE attempts
SET lease = :lease,
    holder = :holder,
    heartbeat_at = :now,
    deadline = :deadline
WHERE id = :attempt
  AND state = 'running'
RETURNING stop;

-- name: note_served
-- A build of the buildspace was handed out: others have their turn now.
UPDATE buildspaces
SET served_at = :now
WHERE id = (SELECT buildspace_id FROM iterations WHERE id = :iteration);

-- name: running_with_label
SELECT count(*)
FROM workers AS w
JOIN attempts AS a ON a.worker = w.name AND a.state = 'running'
WHERE EXISTS (SELECT 1 FROM json_each(w.labels) WHERE value = :label);

-- name: next_due
-- When the next postponed build may be handed out.
SELECT b.not_before
FROM builds AS b
WHERE b.status = 'pending'
  AND b.not_before IS NOT NULL
  AND b.not_before > :now
  AND EXISTS (SELECT 1 FROM iterations AS i WHERE i.id = b.iteration_id AND i.state = 'ready')
ORDER BY b.not_before
LIMIT 1;

-- name: queued_iterations
SELECT
    i.id,
    s.name AS buildspace,
    i.number,
    s.priority,
    s.served_at,
    s.created_at,
    (
        SELECT count(*)
        FROM builds AS r
        WHERE r.iteration_id = i.id
          AND r.status IN ('scheduled', 'building')
    ) AS running
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE i.state = 'ready'
  AND s.status = 'active'
  AND NOT s.hidden
ORDER BY i.id;

-- name: queued_builds
-- Those that best_pending chooses from, of each iteration in its order.
SELECT
    p.id,
    p.iteration_id,
    p.pkgbase,
    p.architecture,
    p.stage,
    p.priority,
    p.changed_at
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
JOIN builds AS p ON p.iteration_id = i.id
WHERE i.state = 'ready'
  AND s.status = 'active'
  AND NOT s.hidden
  AND p.status = 'pending'
  AND p.twin_of = 0
  AND p.held = ''
  AND (p.not_before IS NULL OR p.not_before <= :now)
ORDER BY p.iteration_id, p.priority DESC, p.id;

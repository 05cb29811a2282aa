-- An attempt from its lease to its end.

-- name: attempt_of_lease
SELECT *
FROM attempts
WHERE lease = :lease;

-- name: valid_attempt_of_lease
-- The attempt of a lease that is not over and whose build is not to stop.
SELECT *
FROM attempts
WHERE lease = :lease
  AND state = 'running'
  AND NOT stop;

-- name: held_lease
-- Every call of a worker looks up its lease: no more columns than the calls need.
SELECT
    id,
    random,
    build_id,
    holder,
    deadline,
    state = 'running' AND NOT stop AS valid,
    outcome = 'lost' AS lost
FROM attempts
WHERE lease = :lease;

-- name: returnable_attempt
-- The lost attempt of a lease whose build still waits for another one to begin; the
-- same rule is in unfinished_attempts and open_pipelines. A slot has one running
-- attempt: what another one took the slot of does not return while that lasts.
SELECT a.*
FROM attempts AS a
JOIN builds AS b ON b.id = a.build_id
WHERE a.lease = :lease
  AND a.state = 'finished'
  AND a.outcome = 'lost'
  AND a.number = b.attempts
  AND b.status IN ('pending', 'scheduled')
  AND b.held = ''
  AND NOT EXISTS (
    SELECT 1
    FROM attempts AS o
    WHERE o.worker = a.worker
      AND o.slot = a.slot
      AND o.state = 'running'
  );

-- name: return_attempt
UPDATE attempts
SET state = 'running',
    outcome = '',
    message = '',
    blameless = FALSE,
    result = '',
    finished_at = NULL,
    heartbeat_at = :now,
    deadline = :deadline
WHERE id = :attempt
  AND state = 'finished'
  AND outcome = 'lost';

-- name: attempt
SELECT *
FROM attempts
WHERE id = :attempt;

-- name: attempts_of_build
SELECT *
FROM attempts
WHERE build_id = :build
ORDER BY number DESC;

-- name: unfinished_attempts
-- Those whose staged files are still needed, also by a lost one that may return.
SELECT
    id,
    random
FROM attempts
WHERE state <> 'finished'
UNION
SELECT
    a.id,
    a.random
FROM builds AS b
JOIN attempts AS a ON a.build_id = b.id AND a.number = b.attempts
WHERE b.status IN ('pending', 'scheduled')
  AND b.held = ''
  AND a.state = 'finished'
  AND a.outcome = 'lost'
ORDER BY id;

-- name: heartbeat
-- A deadline that has passed does not end a lease: expired_leases does, when the
-- server looks. While it was down no heartbeat could arrive.
UPDATE attempts
SET heartbeat_at = :now,
    deadline = :deadline
WHERE lease = :lease
  AND state = 'running'
RETURNING stop;

-- name: renew_lease
UPDATE attempts
SET deadline = :deadline
WHERE lease = :lease
  AND state = 'running';

-- name: running_attempts
SELECT id
FROM attempts
WHERE state = 'running'
ORDER BY id;

-- name: extend_leases
UPDATE attempts
SET deadline = :until
WHERE state = 'running'
  AND deadline < :until
  AND id IN (SELECT value FROM json_each(:attempts));

-- name: expired_leases
SELECT *
FROM attempts
WHERE state = 'running'
  AND deadline <= :now
ORDER BY deadline, id;

-- name: expired_lease
SELECT *
FROM attempts
WHERE id = :attempt
  AND state = 'running'
  AND deadline <= :now;

-- name: running_attempts_of_builds
SELECT a.*
FROM json_each(:builds) AS k
CROSS JOIN attempts AS a ON a.build_id = k.value
WHERE a.state = 'running'
ORDER BY a.id;

-- name: stop_attempts
-- The workers hear of it at their next heartbeat.
UPDATE attempts
SET stop = TRUE
WHERE state = 'running'
  AND build_id IN (SELECT value FROM json_each(:builds));

-- name: finish_attempt
UPDATE attempts
SET state = 'finished',
    outcome = :outcome,
    message = :message,
    blameless = :blameless,
    result = :result,
    finished_at = :now
WHERE id = :attempt
  AND state = :before;

-- name: note_attempt_end
UPDATE builds
SET finished_at = :now
WHERE id = :build;

-- name: iteration_state_of_build
SELECT i.state
FROM builds AS b
JOIN iterations AS i ON i.id = b.iteration_id
WHERE b.id = :build;

-- name: next_wake
-- When time alone makes something possible: a deadline passes, or the pause of a
-- postponed build ends. What has passed already and is there still, failed; the
-- loop's period is soon enough for it.
SELECT at
FROM (
    SELECT deadline AS at
    FROM attempts
    WHERE state = 'running'
      AND deadline > :now
    UNION ALL
    SELECT b.not_before
    FROM builds AS b
    WHERE b.status = 'pending'
      AND b.not_before IS NOT NULL
      AND b.not_before > :now
      AND EXISTS (SELECT 1 FROM iterations AS i WHERE i.id = b.iteration_id AND i.state = 'ready')
)
ORDER BY at
LIMIT 1;

-- name: builds_of_attempts
SELECT DISTINCT build_id
FROM attempts
WHERE id IN (SELECT value FROM json_each(:attempts));

-- name: note_finish
UPDATE attempts
SET not_checked = :not_checked,
    memory = :memory
WHERE lease = :lease
  AND state = 'running';

-- name: note_kept
UPDATE attempts
SET kept_until = :until
WHERE lease = :lease
  AND state = 'running';

-- name: note_error
UPDATE attempts
SET error_line = :line,
    error_text = :text
WHERE lease = :lease
  AND state = 'running';

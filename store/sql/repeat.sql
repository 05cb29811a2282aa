-- Second builds: what was built is built once more when nothing else is to be done, and
-- compared.

-- name: open_repeats
SELECT count(*)
FROM repeats AS r
JOIN builds AS b ON b.id = r.second_id
WHERE r.result = ''
  AND b.status IN ('pending', 'building');

-- name: repeatable_builds
-- Built builds that were not built a second time, the newest first: of iterations that go on or of
-- which something was released, not longer ago than :after, and whose packages are there. Of those with
-- one input key, and of one that was stopped before its end.
SELECT max(b.id) AS id
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
JOIN builds AS b ON b.iteration_id = i.id
WHERE NOT s.hidden
  AND i.archived_at IS NULL
  AND (
    i.state = 'ready'
    OR EXISTS (SELECT 1 FROM releases AS e WHERE e.iteration_id = i.id AND e.state NOT IN ('failed', 'withdrawn'))
  )
  AND b.status = 'built'
  AND b.twin_of = 0
  AND b.reused_from = 0
  AND b.attempts > 0
  AND b.input_key <> ''
  AND b.output_digest <> ''
  AND b.finished_at > :after
  AND NOT EXISTS (
    SELECT 1
    FROM repeats AS r
    WHERE r.input_key = b.input_key
      AND (r.result <> '' OR r.second_id <> 0)
  )
GROUP BY b.input_key
ORDER BY 1 DESC
LIMIT :limit;

-- name: anything_waits
-- Whether a build is to be handed out, or to be built on the base alone: then no slot is idle.
SELECT EXISTS (
    SELECT 1
    FROM iterations AS i
    JOIN buildspaces AS s ON s.id = i.buildspace_id
    JOIN builds AS p ON p.iteration_id = i.id
    WHERE i.state = 'ready'
      AND s.status = 'active'
      AND p.repeat_of = 0
      AND p.status = 'pending'
      AND p.twin_of = 0
      AND p.held = ''
      AND (p.not_before IS NULL OR p.not_before <= :now)
);

-- name: save_repeat
INSERT INTO repeats (
    input_key,
    output_digest,
    first_id,
    second_id,
    at
)
VALUES (
    :input_key,
    :output,
    :first,
    :second,
    :now
)
ON CONFLICT (input_key) DO UPDATE
SET output_digest = EXCLUDED.output_digest,
    first_id = EXCLUDED.first_id,
    second_id = EXCLUDED.second_id,
    at = EXCLUDED.at
WHERE result = '';

-- name: mark_repeat
-- Nobody has the same input: the packages of a second build are nobody's.
UPDATE builds
SET repeat_of = :first,
    input_key = '',
    runtime_inputs = ''
WHERE id = :second;

-- name: best_repeat
-- The second build to hand out next: with the runner that the first was built with, on another
-- worker unless there is no other one.
SELECT b.id
FROM repeats AS r
JOIN builds AS b ON b.id = r.second_id
JOIN builds AS f ON f.id = r.first_id
JOIN attempts AS a ON a.build_id = f.id AND a.number = f.attempts
WHERE r.result = ''
  AND b.status = 'pending'
  AND b.architecture IN (SELECT value FROM json_each(:architectures))
  AND (b.not_before IS NULL OR b.not_before <= :now)
  AND a.runner = :runner
  AND (
    a.worker <> :worker
    OR NOT EXISTS (
        SELECT 1
        FROM workers AS w
        WHERE w.name <> a.worker
          AND w.last_seen > :lately
          AND w.set_aside = ''
          AND w.draining_since IS NULL
          AND EXISTS (SELECT 1 FROM json_each(w.architectures) WHERE value = b.architecture)
          AND (a.runner = '' OR EXISTS (SELECT 1 FROM json_each(w.runners) WHERE value = a.runner))
    )
  )
ORDER BY r.at, b.id
LIMIT 1;

-- name: unneeded_repeats
-- Second builds that end before their time: for which no worker was idle for long, and whose first
-- is not built, or not that any more which is to be compared.
SELECT b.id
FROM repeats AS r
JOIN builds AS b ON b.id = r.second_id
LEFT JOIN builds AS f ON f.id = r.first_id
WHERE r.result = ''
  AND (
    b.status = 'pending' AND b.changed_at < :before
    OR b.status IN ('pending', 'building') AND (f.id IS NULL OR f.status <> 'built' OR f.output_digest <> r.output_digest)
  );

-- name: repeats_in_the_way
-- Second builds that run while builds that could run have waited for a worker of their architecture
-- since :since: of each architecture as many as wait, those that began last.
WITH waiting AS (
    SELECT
        p.architecture,
        count(*) AS builds
    FROM iterations AS i
    JOIN buildspaces AS s ON s.id = i.buildspace_id
    JOIN builds AS p ON p.iteration_id = i.id
    WHERE i.state = 'ready'
      AND s.status = 'active'
      AND NOT s.hidden
      AND p.status = 'pending'
      AND p.twin_of = 0
      AND p.held = ''
      AND p.changed_at <= :since
      AND (p.not_before IS NULL OR p.not_before <= :since)
      AND :most_running > (
        SELECT count(*)
        FROM builds AS r
        WHERE r.iteration_id = i.id
          AND r.status IN ('scheduled', 'building')
      )
    GROUP BY p.architecture
)
SELECT x.id
FROM (
    SELECT
        b.id,
        w.builds,
        row_number() OVER (PARTITION BY b.architecture ORDER BY b.started_at DESC, b.id DESC) AS place
    FROM repeats AS r
    JOIN builds AS b ON b.id = r.second_id AND b.status = 'building'
    JOIN waiting AS w ON w.architecture = b.architecture
    WHERE r.result = ''
) AS x
WHERE x.place <= x.builds
ORDER BY x.id;

-- name: ended_repeats
SELECT *
FROM builds
WHERE id IN (SELECT value FROM json_each(:builds))
  AND repeat_of <> 0
  AND status IN ('built', 'failed', 'skipped');

-- name: end_repeat
UPDATE repeats
SET result = :result,
    detail = :detail,
    at = :now
WHERE second_id = :second
  AND result = '';

-- name: stop_repeat
-- It may be begun again, but not for ever.
UPDATE repeats
SET stopped = stopped + 1,
    second_id = CASE WHEN stopped + 1 < :most THEN 0 ELSE second_id END,
    result = CASE WHEN stopped + 1 < :most THEN '' ELSE 'unknown' END,
    detail = CASE WHEN stopped + 1 < :most THEN '[]' ELSE :detail END,
    at = :now
WHERE second_id = :second
  AND result = '';

-- name: repeats_of_builds
-- Whoever has the packages has what was found of them, in whatever iteration.
SELECT
    b.id AS build_id,
    r.first_id,
    r.second_id,
    r.result,
    r.detail,
    r.at,
    coalesce((
        SELECT a.worker
        FROM attempts AS a
        WHERE a.build_id = r.first_id
        ORDER BY a.number DESC
        LIMIT 1
    ), '') AS first_worker,
    coalesce((
        SELECT a.worker
        FROM attempts AS a
        WHERE a.build_id = r.second_id
        ORDER BY a.number DESC
        LIMIT 1
    ), '') AS second_worker
FROM builds AS b
JOIN builds AS o ON o.id = CASE b.twin_of WHEN 0 THEN b.id ELSE b.twin_of END
JOIN repeats AS r ON r.output_digest = o.output_digest
WHERE b.id IN (SELECT value FROM json_each(:builds))
  AND b.status = 'built'
  AND b.repeat_of = 0
  AND o.output_digest <> ''
  AND (r.result <> '' OR r.second_id <> 0)
ORDER BY
    b.id,
    r.result = '' DESC,
    r.at;

-- name: repeat_of_second
SELECT
    r.first_id,
    r.output_digest,
    coalesce((
        SELECT a.installed_id
        FROM attempts AS a
        WHERE a.build_id = r.first_id
        ORDER BY a.number DESC
        LIMIT 1
    ), 0) AS first_installed,
    coalesce((
        SELECT a.installed_id
        FROM attempts AS a
        WHERE a.build_id = r.second_id
        ORDER BY a.number DESC
        LIMIT 1
    ), 0) AS second_installed
FROM repeats AS r
WHERE r.second_id = :second
  AND r.result = '';

-- name: old_repeats
-- Iterations of second builds that ended before a time, also of those that were stopped before
-- their end and begun anew, and of which machines have nothing.
SELECT b.iteration_id
FROM builds AS b
JOIN iterations AS i ON i.id = b.iteration_id
WHERE b.repeat_of <> 0
  AND b.status IN ('built', 'failed', 'skipped')
  AND b.changed_at < :before
  AND i.deleted_at IS NULL
  AND NOT EXISTS (
    SELECT 1
    FROM attempts AS a
    WHERE a.build_id = b.id
      AND (a.state <> 'finished' OR a.kept_until > :now)
  )
LIMIT :limit;

-- name: forget_seconds
UPDATE repeats
SET second_id = 0
WHERE result <> ''
  AND second_id IN (
    SELECT b.id
    FROM json_each(:iterations) AS k
    JOIN builds AS b ON b.iteration_id = k.value
);

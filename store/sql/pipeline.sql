-- Builds handed to GitLab.

-- name: pipeline
SELECT *
FROM pipelines
WHERE id = :pipeline;

-- name: pipelines_of_build
SELECT *
FROM pipelines
WHERE build_id = :build
ORDER BY id DESC;

-- name: latest_pipeline_of_build
SELECT *
FROM pipelines
WHERE build_id = :build
ORDER BY id DESC
LIMIT 1;

-- name: count_empty_pipelines
-- Those that ended without an attempt, since the last that had one.
SELECT count(*)
FROM pipelines
WHERE build_id = :build
  AND state = 'ended'
  AND id > coalesce((SELECT max(id) FROM pipelines WHERE build_id = :build AND attempt_id <> 0), 0);

-- name: note_cancels
UPDATE pipelines
SET cancels = cancels + 1,
    cancelled_at = :now
WHERE id IN (SELECT value FROM json_each(:pipelines));

-- name: count_wanted_pipelines
-- Of builds that still wait for what comes of them.
SELECT count(DISTINCT b.id)
FROM pipelines AS p
JOIN builds AS b ON b.id = p.build_id
WHERE p.state <> 'ended'
  AND b.status IN ('scheduled', 'building');

-- name: open_pipelines
-- One is unwanted while no executor has begun and its build does not wait for it
-- any more; or when what its executor began was told to stop, or is lost and cannot
-- return, as returnable_attempt has it.
SELECT
    p.*,
    b.commit_id,
    CASE
        WHEN a.id IS NULL THEN b.status = 'scheduled' AND NOT EXISTS (
            SELECT 1
            FROM pipelines AS l
            WHERE l.build_id = b.id
              AND l.id > p.id
        )
        WHEN a.outcome = 'lost' THEN a.number = b.attempts AND b.status IN ('pending', 'scheduled') AND b.held = ''
        ELSE NOT (a.state = 'running' AND a.stop)
    END AS wanted
FROM pipelines AS p
JOIN builds AS b ON b.id = p.build_id
LEFT JOIN attempts AS a ON a.id = p.attempt_id
WHERE p.state <> 'ended'
ORDER BY p.id;

-- name: created_pipelines
SELECT *
FROM pipelines
WHERE state = 'created'
ORDER BY id;

-- name: pinned_pipelines
-- Their refs may still be in GitLab.
SELECT *
FROM pipelines
WHERE state = 'ended'
  AND pinned
ORDER BY id
LIMIT :limit;

-- name: unpin_pipelines
UPDATE pipelines
SET pinned = FALSE
WHERE id IN (SELECT value FROM json_each(:pipelines));

-- name: count_open_of_number
SELECT count(*)
FROM pipelines
WHERE number = :number
  AND number <> 0
  AND state <> 'ended';

-- Which builds cannot go on, and why.

-- name: latest_event
SELECT coalesce(max(id), 0)
FROM events;

-- name: buildspace_of_iteration
SELECT coalesce((SELECT buildspace_id FROM iterations WHERE id = :iteration), 0);

-- name: builds_at_rest
SELECT
    id,
    status,
    skip_reason
FROM builds
WHERE iteration_id = :iteration
  AND status IN ('blocked', 'failed', 'skipped');

-- name: moves_since
-- Every change of a status has an event.
SELECT
    coalesce(build_id, 0) AS build_id,
    builds,
    build_ranges,
    to_status,
    cause
FROM events
WHERE iteration_id = :iteration
  AND id > :event
  AND kind = 'build'
ORDER BY id
LIMIT :limit;

-- name: causes_changed
-- The iterations of :known, each with an event, in which since then
-- a build failed, was skipped, or was taken up again after that.
SELECT v.value ->> 0
FROM json_each(:known) AS v
WHERE EXISTS (
    SELECT 1
    FROM events AS e
    WHERE e.iteration_id = v.value ->> 0
      AND e.id > v.value ->> 1
      AND e.kind = 'build'
      AND (e.to_status IN ('failed', 'skipped') OR e.from_status IN ('failed', 'skipped'))
);

-- name: last_changes
-- When something last happened in each buildspace.
SELECT
    e.buildspace_id,
    e.at
FROM json_each(:buildspaces) AS v
JOIN events AS e ON e.id = (SELECT max(n.id) FROM events AS n WHERE n.buildspace_id = v.value);

-- name: newest_failed
-- Of these iterations, the latest failure first.
SELECT id
FROM builds
WHERE iteration_id IN (SELECT value FROM json_each(:iterations))
  AND status = 'failed'
ORDER BY changed_at DESC, id DESC
LIMIT :limit;

-- name: last_messages
-- How the latest attempt of each build ended.
SELECT
    a.build_id,
    a.message
FROM json_each(:builds) AS v
JOIN attempts AS a ON a.id = (SELECT max(n.id) FROM attempts AS n WHERE n.build_id = v.value);

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
    build_id,
    to_status,
    cause
FROM events
WHERE buildspace_id = :buildspace
  AND id > :event
  AND iteration_id = :iteration
  AND kind = 'build'
ORDER BY id
LIMIT :limit;

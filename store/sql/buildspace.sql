-- Buildspaces with their changesets. The list with filters is composed in
-- buildspace.go.

-- name: buildspace
SELECT *
FROM buildspaces
WHERE name = :name
  AND NOT hidden;

-- name: active_buildspaces
SELECT *
FROM buildspaces
WHERE status = 'active'
  AND NOT hidden
ORDER BY id;

-- name: changesets_of_buildspaces
SELECT *
FROM changesets
WHERE buildspace_id IN (SELECT value FROM json_each(:buildspaces))
ORDER BY buildspace_id, source;

-- name: delete_changesets
DELETE FROM changesets
WHERE buildspace_id = :buildspace;

-- name: buildspaces_of_change
SELECT name
FROM buildspaces
WHERE id IN (SELECT value FROM json_each(:buildspaces))
   OR id IN (
    SELECT i.buildspace_id
    FROM json_each(:builds) AS k
    JOIN builds AS b ON b.id = k.value
    JOIN iterations AS i ON i.id = b.iteration_id
  );

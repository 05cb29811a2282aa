-- Files that were moved to object storage.

-- name: moved_object
SELECT *
FROM objects
WHERE key = :key;

-- name: moved_objects
SELECT *
FROM objects
WHERE key > :after
ORDER BY key
LIMIT :limit;

-- name: note_object
INSERT INTO objects (key, bytes, sha256, text_bytes, moved_at)
VALUES (:key, :bytes, :sha256, :text_bytes, :now)
ON CONFLICT (key) DO UPDATE SET
    bytes = excluded.bytes,
    sha256 = excluded.sha256,
    text_bytes = excluded.text_bytes,
    moved_at = excluded.moved_at,
    missing = FALSE;

-- name: forget_object
DELETE FROM objects
WHERE key = :key;

-- name: mark_missing
UPDATE objects
SET missing = :missing
WHERE key IN (SELECT value FROM json_each(:keys));

-- name: count_objects
SELECT
    count(*) AS files,
    coalesce(sum(bytes), 0) AS bytes,
    coalesce(sum(missing), 0) AS missing
FROM objects;

-- name: object_owner
SELECT name
FROM object_owner;

-- name: set_object_owner
INSERT INTO object_owner (only, name)
VALUES (1, :name)
ON CONFLICT (only) DO NOTHING;

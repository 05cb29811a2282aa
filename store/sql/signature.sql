-- Releases that wait for signatures of their files, and the signatures.

-- name: begin_signing
UPDATE releases
SET state = 'signing'
WHERE id = :id
  AND state = 'handing-over';

-- name: end_signing
-- Only what has a signature of each file, by one of the keys, goes on.
UPDATE releases
SET state = 'handing-over',
    message = ''
WHERE id = :id
  AND state = 'signing'
  AND NOT EXISTS (
      SELECT 1
      FROM signing_files AS f
      WHERE f.release_id = :id
        AND NOT EXISTS (
            SELECT 1
            FROM signatures AS g
            WHERE g.file_sha256 = f.sha256
              AND g.key IN (SELECT value FROM json_each(:keys))
        )
  );

-- name: note_signing
UPDATE releases
SET message = :message
WHERE id = :id
  AND state = 'signing';

-- name: forget_signing_files
-- Those of the release, and of all that do not wait any more.
DELETE FROM signing_files
WHERE release_id = :id
   OR release_id NOT IN (SELECT id FROM releases WHERE state IN ('signing', 'handing-over'));

-- name: add_signing_files
INSERT INTO signing_files (
    release_id,
    name,
    sha256,
    size,
    state
)
SELECT
    :id,
    f.value ->> 'name',
    f.value ->> 'sha256',
    f.value ->> 'size',
    unhex(f.value ->> 'state')
FROM json_each(:files) AS f;

-- name: signing_files
SELECT *
FROM signing_files
WHERE release_id = :id
ORDER BY name;

-- name: signing_progress
SELECT
    count(*) AS files,
    count(*) FILTER (
        WHERE EXISTS (
            SELECT 1
            FROM signatures AS g
            WHERE g.file_sha256 = f.sha256
              AND g.key IN (SELECT value FROM json_each(:keys))
        )
    ) AS signed
FROM signing_files AS f
WHERE f.release_id = :id;

-- name: signing_releases
-- The oldest first.
SELECT
    r.id,
    coalesce(r.iteration_id, 0) AS iteration_id,
    coalesce(r.from_id, 0) AS from_id,
    r.target_id,
    r.state,
    r.digest,
    r.base,
    r.generation,
    r.units,
    r.packages,
    r.proven,
    r.at_most,
    r.message,
    r.created_by,
    r.created_at,
    r.confirmed_by,
    r.confirmed_at,
    r.finished_at,
    t.name AS target,
    coalesce(f.name, '') AS from_target,
    coalesce(s.name, '') AS buildspace,
    coalesce(s.created_by, '') AS owner,
    coalesce(s.id, 0) AS buildspace_id,
    coalesce(i.number, 0) AS iteration
FROM releases AS r
JOIN targets AS t ON t.id = r.target_id
LEFT JOIN targets AS f ON f.id = r.from_id
LEFT JOIN iterations AS i ON i.id = r.iteration_id
LEFT JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE r.state = 'signing'
ORDER BY r.confirmed_at, r.id;

-- name: add_signatures
-- A file has one signature of a key; the first one stays, since clients may have it.
INSERT OR IGNORE INTO signatures (
    file_sha256,
    key,
    signature,
    by,
    at
)
SELECT
    g.value ->> 'sha256',
    g.value ->> 'key',
    unhex(g.value ->> 'packet'),
    :by,
    :now
FROM json_each(:signatures) AS g;

-- name: signatures_of
SELECT g.*
FROM json_each(:files) AS f
JOIN signatures AS g ON g.file_sha256 = f.value
WHERE g.key IN (SELECT value FROM json_each(:keys))
ORDER BY g.file_sha256, g.at, g.key;

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

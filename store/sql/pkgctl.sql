-- Releases that a packager hands over, and their files.

-- name: begin_waiting
UPDATE releases
SET state = 'waiting',
    message = ''
WHERE id = :id
  AND state = 'handing-over'
  AND NOT EXISTS (
      SELECT 1
      FROM releases AS other
      WHERE other.target_id = releases.target_id
        AND other.state = 'waiting'
  );

-- name: note_release
-- What is said of a release that goes on by itself, or waits for the repositories.
UPDATE releases
SET message = :message
WHERE id = :id
  AND state IN ('handing-over', 'waiting')
  AND message <> :message;

-- name: forget_release_files
DELETE FROM release_files
WHERE release_id = :id;

-- name: add_release_files
INSERT INTO release_files (
    release_id,
    name,
    pkgbase,
    pkgname,
    version,
    architecture,
    repository,
    sha256,
    size,
    build_id
)
SELECT
    :id,
    f.value ->> 'name',
    f.value ->> 'pkgbase',
    f.value ->> 'pkgname',
    f.value ->> 'version',
    f.value ->> 'architecture',
    f.value ->> 'repository',
    f.value ->> 'sha256',
    f.value ->> 'size',
    f.value ->> 'build'
FROM json_each(:files) AS f;

-- name: release_files
SELECT *
FROM release_files
WHERE release_id = :id
ORDER BY repository, name;

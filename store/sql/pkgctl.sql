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

-- name: waiting_releases
-- The oldest first; of one target, or with 0 of all.
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
WHERE r.state = 'waiting'
  AND (:target = 0 OR r.target_id = :target)
ORDER BY r.confirmed_at, r.id;

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

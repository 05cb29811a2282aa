-- The packages of a build, from their upload to the repositories.

-- name: put_package
INSERT INTO packages (
    build_id,
    attempt_id,
    pkgname,
    version,
    architecture,
    filename,
    sha256,
    size,
    created_at
)
VALUES (
    :build,
    :attempt,
    :pkgname,
    :version,
    :architecture,
    :filename,
    :sha256,
    :size,
    :now
)
ON CONFLICT (build_id, attempt_id, filename) DO UPDATE
SET pkgname = EXCLUDED.pkgname,
    version = EXCLUDED.version,
    architecture = EXCLUDED.architecture,
    sha256 = EXCLUDED.sha256,
    size = EXCLUDED.size,
    created_at = EXCLUDED.created_at;

-- name: begin_publish
-- From here on its packages are a result for others that have the same input.
UPDATE attempts
SET state = 'publishing',
    outcome = 'built',
    input_key = (
        SELECT CASE WHEN b.forced OR NOT s.reuse THEN '' ELSE b.input_key END
        FROM builds AS b
        JOIN iterations AS i ON i.id = b.iteration_id
        JOIN buildspaces AS s ON s.id = i.buildspace_id
        WHERE b.id = attempts.build_id
    )
WHERE id = :attempt
  AND state = 'running';

-- name: publishing_attempts
SELECT *
FROM attempts
WHERE state = 'publishing'
ORDER BY id;

-- name: publishing_attempt_of_build
SELECT *
FROM attempts
WHERE build_id = :build
  AND state = 'publishing';

-- name: repository_packages
-- A repository is named by its buildspace and iteration. A twin's packages are
-- those of the build that does its work. Of two stages of a pkgbase those of the one
-- that was published last took the place of all of the other's: of the second when it
-- is built, else of the one with the newer attempt.
WITH candidates AS (
    SELECT
        b.pkgbase,
        b.stage = 2 AND b.status = 'built' AS final,
        p.build_id,
        max(p.attempt_id) AS attempt_id
    FROM iterations AS i
    JOIN buildspaces AS s ON s.id = i.buildspace_id
    JOIN builds AS b ON b.iteration_id = i.id
    JOIN packages AS p ON p.build_id = CASE b.twin_of WHEN 0 THEN b.id ELSE b.twin_of END
    WHERE s.name || '_' || i.number = :repository
      AND b.architecture = :architecture
      AND p.published
    GROUP BY b.id
), owners AS (
    SELECT
        build_id,
        row_number() OVER (PARTITION BY pkgbase ORDER BY final DESC, attempt_id DESC) AS place
    FROM candidates
)
SELECT p.*
FROM owners AS o
JOIN packages AS p ON p.build_id = o.build_id
WHERE o.place = 1
  AND p.architecture IN ('any', :architecture)
  AND p.published
ORDER BY p.filename;

-- name: note_publishing
UPDATE attempts
SET message = :message
WHERE id = :attempt
  AND state = 'publishing';

-- name: packages_of_attempt
SELECT *
FROM packages
WHERE build_id = :build
  AND attempt_id = :attempt
ORDER BY filename;

-- name: architectures_of_build
-- Its own and those of its twins.
SELECT architecture
FROM builds
WHERE id = :build
UNION
SELECT architecture
FROM builds
WHERE twin_of = :build
  AND twin_of <> 0
ORDER BY architecture;

-- name: publish_packages
-- The published packages of a build are those of one attempt, but for those that
-- another pkgbase owns.
UPDATE packages
SET published = (
        attempt_id = :attempt
        AND pkgname NOT IN (
            SELECT o.key
            FROM builds AS b
            CROSS JOIN json_each(b.not_owned) AS o
            WHERE b.id = :build
        )
    )
WHERE build_id = :build;

-- name: packages_of_build
-- A twin's are those of the build that does its work.
SELECT p.*
FROM builds AS b
JOIN packages AS p ON p.build_id = CASE b.twin_of WHEN 0 THEN b.id ELSE b.twin_of END
WHERE b.id = :build
  AND p.published
ORDER BY p.filename;

-- name: published_of_builds
SELECT *
FROM packages
WHERE published
  AND build_id IN (SELECT value FROM json_each(:builds))
ORDER BY filename;

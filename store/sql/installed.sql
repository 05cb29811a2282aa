-- What was installed where attempts ran, and what of it changed between two of them.

-- name: installed_set
SELECT id
FROM installed_sets
WHERE digest = :digest;

-- name: add_installed_packages
-- Arrays of name and version.
INSERT INTO installed_packages (
    name,
    version
)
SELECT
    k.value ->> 0,
    k.value ->> 1
FROM json_each(:packages) AS k
WHERE TRUE
ON CONFLICT (name, version) DO NOTHING;

-- name: add_installed_set
INSERT INTO installed_sets (
    digest,
    packages
)
SELECT
    :digest,
    json_group_array(s.id)
FROM (
    SELECT p.id
    FROM json_each(:packages) AS k
    JOIN installed_packages AS p ON p.name = k.value ->> 0 AND p.version = k.value ->> 1
    ORDER BY p.id
) AS s
RETURNING id;

-- name: note_installed
UPDATE attempts
SET installed_id = :installed
WHERE id = :attempt
  AND state = 'running';

-- name: latest_ended_attempt
SELECT *
FROM ended_attempts
WHERE build_id = :build
ORDER BY number DESC
LIMIT 1;

-- name: last_success_before
-- Of a pkgbase on an architecture, in whatever buildspace. Ids of attempts are in the order
-- in which they began.
SELECT *
FROM ended_attempts
WHERE pkgbase = :pkgbase
  AND architecture = :architecture
  AND id < :attempt
  AND outcome = 'built'
ORDER BY id DESC
LIMIT 1;

-- name: first_failure_between
-- Of a pkgbase on an architecture, after one attempt and not later than another.
SELECT *
FROM ended_attempts
WHERE pkgbase = :pkgbase
  AND architecture = :architecture
  AND id > :after
  AND id <= :attempt
  AND outcome <> 'built'
ORDER BY id
LIMIT 1;

-- name: installed_changes
-- What is in one of two sets only.
WITH old AS (
    SELECT k.value AS id
    FROM installed_sets AS s
    CROSS JOIN json_each(s.packages) AS k
    WHERE s.id = :before
),
new AS (
    SELECT k.value AS id
    FROM installed_sets AS s
    CROSS JOIN json_each(s.packages) AS k
    WHERE s.id = :after
)
SELECT
    p.name,
    p.version,
    FALSE AS added
FROM old
JOIN installed_packages AS p ON p.id = old.id
WHERE old.id NOT IN (SELECT id FROM new)
UNION ALL
SELECT
    p.name,
    p.version,
    TRUE AS added
FROM new
JOIN installed_packages AS p ON p.id = new.id
WHERE new.id NOT IN (SELECT id FROM old)
ORDER BY name;

-- name: installed_of_set
SELECT
    p.name,
    p.version
FROM installed_sets AS s
CROSS JOIN json_each(s.packages) AS k
JOIN installed_packages AS p ON p.id = k.value
WHERE s.id = :installed
ORDER BY p.name;

-- name: made_packages
-- Those of some names that an iteration made or reused for an architecture, with their
-- interfaces as far as they are known.
SELECT
    p.pkgname,
    p.version,
    p.sha256,
    coalesce(f.interface, '') AS interface
FROM json_each(:names) AS k
CROSS JOIN packages AS p ON p.pkgname = k.value
CROSS JOIN builds AS b ON b.id = p.build_id
LEFT JOIN interfaces AS f ON f.sha256 = p.sha256
WHERE b.iteration_id = :iteration
  AND p.architecture IN ('any', :architecture)
  AND p.published
ORDER BY b.stage, p.id;

-- What people ask for: retry, cancel, rebuild.

-- name: ready_builds
-- Those of the buildspace's one iteration whose builds may still change.
SELECT b.id
FROM iterations AS i
JOIN builds AS b ON b.iteration_id = i.id
WHERE i.buildspace_id = :buildspace
  AND i.state = 'ready'
ORDER BY b.id;

-- name: dependents_of_build
-- All that waits for a build, directly or through others. A twin waits for the
-- build that does its work.
WITH RECURSIVE above (id) AS (
    VALUES (:build)
    UNION
    SELECT e.to_build
    FROM above
    CROSS JOIN edges AS e ON e.from_build = above.id
    UNION
    SELECT b.id
    FROM above
    CROSS JOIN builds AS b ON b.twin_of = above.id AND b.twin_of <> 0
)
SELECT id
FROM above
WHERE id <> :build
ORDER BY id;

-- name: being_published
-- The first of the builds whose packages are going into the repositories.
SELECT b.pkgbase
FROM json_each(:builds) AS k
CROSS JOIN builds AS b ON b.id = k.value
WHERE b.held = 'linking'
   OR EXISTS (SELECT 1 FROM attempts AS a WHERE a.build_id = b.id AND a.state = 'publishing')
ORDER BY b.pkgbase
LIMIT 1;

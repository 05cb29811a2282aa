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
    SELECT i.first_build + e.to_place
    FROM above
    CROSS JOIN builds AS w ON w.id = above.id
    CROSS JOIN iterations AS i ON i.id = w.iteration_id
    CROSS JOIN graph_edges AS e ON e.graph_id = i.graph_id AND e.from_place = w.id - i.first_build
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

-- What stands around a build in the graph of its iteration.

-- name: dependencies
-- By pkgbase, from the one after :cursor on; of one status as people read it, or of all.
-- Of the builds with the status blocked, :stuck are, and the others are waiting.
SELECT
    b.id,
    b.pkgbase,
    b.architecture,
    b.stage,
    b.status,
    b.skip_reason,
    e.kinds,
    e.through
FROM builds AS w
JOIN iterations AS i ON i.id = w.iteration_id
JOIN graph_edges AS e ON e.graph_id = i.graph_id AND e.to_place = w.id - i.first_build
JOIN builds AS b ON b.id = i.first_build + e.from_place
WHERE w.id = :build
  AND (:status = '' OR :status = iif(b.status = 'blocked' AND b.id NOT IN (SELECT value FROM json_each(:stuck)), 'waiting', b.status))
  AND (:cursor = 0 OR (b.pkgbase, b.stage, b.id) > (SELECT pkgbase, stage, id FROM builds WHERE id = :cursor))
ORDER BY b.pkgbase, b.stage, b.id
LIMIT :limit;

-- name: dependents
SELECT
    b.id,
    b.pkgbase,
    b.architecture,
    b.stage,
    b.status,
    b.skip_reason,
    e.kinds,
    e.through
FROM builds AS w
JOIN iterations AS i ON i.id = w.iteration_id
JOIN graph_edges AS e ON e.graph_id = i.graph_id AND e.from_place = w.id - i.first_build
JOIN builds AS b ON b.id = i.first_build + e.to_place
WHERE w.id = :build
  AND (:status = '' OR :status = iif(b.status = 'blocked' AND b.id NOT IN (SELECT value FROM json_each(:stuck)), 'waiting', b.status))
  AND (:cursor = 0 OR (b.pkgbase, b.stage, b.id) > (SELECT pkgbase, stage, id FROM builds WHERE id = :cursor))
ORDER BY b.pkgbase, b.stage, b.id
LIMIT :limit;

-- name: count_dependencies
SELECT
    iif(b.status = 'blocked' AND b.id NOT IN (SELECT value FROM json_each(:stuck)), 'waiting', b.status) AS shown,
    count(*) AS n
FROM builds AS w
JOIN iterations AS i ON i.id = w.iteration_id
JOIN graph_edges AS e ON e.graph_id = i.graph_id AND e.to_place = w.id - i.first_build
JOIN builds AS b ON b.id = i.first_build + e.from_place
WHERE w.id = :build
GROUP BY shown;

-- name: count_dependents
SELECT
    iif(b.status = 'blocked' AND b.id NOT IN (SELECT value FROM json_each(:stuck)), 'waiting', b.status) AS shown,
    count(*) AS n
FROM builds AS w
JOIN iterations AS i ON i.id = w.iteration_id
JOIN graph_edges AS e ON e.graph_id = i.graph_id AND e.from_place = w.id - i.first_build
JOIN builds AS b ON b.id = i.first_build + e.to_place
WHERE w.id = :build
GROUP BY shown;

-- name: cuts_to
-- Dependencies that the base provides to the build because of a cycle.
SELECT
    b.id,
    b.pkgbase,
    b.architecture,
    b.stage,
    b.status,
    b.skip_reason,
    c.kinds,
    c.cycle
FROM builds AS w
JOIN iterations AS i ON i.id = w.iteration_id
JOIN graph_cuts AS c ON c.graph_id = i.graph_id AND c.to_place = w.id - i.first_build
JOIN builds AS b ON b.id = i.first_build + c.from_place
WHERE w.id = :build
ORDER BY b.pkgbase, b.stage;

-- name: cuts_from
SELECT
    b.id,
    b.pkgbase,
    b.architecture,
    b.stage,
    b.status,
    b.skip_reason,
    c.kinds,
    c.cycle
FROM builds AS w
JOIN iterations AS i ON i.id = w.iteration_id
JOIN graph_cuts AS c ON c.graph_id = i.graph_id AND c.from_place = w.id - i.first_build
JOIN builds AS b ON b.id = i.first_build + c.to_place
WHERE w.id = :build
ORDER BY b.pkgbase, b.stage;

-- name: cuts_of_iteration
SELECT
    t.architecture,
    f.pkgbase AS from_name,
    t.pkgbase AS to_name,
    c.kinds,
    c.cycle
FROM iterations AS i
JOIN graph_cuts AS c ON c.graph_id = i.graph_id
JOIN builds AS f ON f.id = i.first_build + c.from_place
JOIN builds AS t ON t.id = i.first_build + c.to_place
WHERE i.id = :iteration
ORDER BY t.architecture, t.pkgbase, f.pkgbase, c.from_place, c.to_place
LIMIT :limit;

-- name: count_cuts
SELECT count(*)
FROM iterations AS i
JOIN graph_cuts AS c ON c.graph_id = i.graph_id
WHERE i.id = :iteration;

-- name: reason_of_build
SELECT
    b.id,
    b.pkgbase,
    b.architecture,
    b.stage,
    b.status,
    b.skip_reason,
    b.reason
FROM builds AS b
WHERE b.id = :build;

-- name: reason_via
-- The build that made another one necessary: the first stage of that pkgbase.
SELECT
    b.id,
    b.pkgbase,
    b.architecture,
    b.stage,
    b.status,
    b.skip_reason,
    b.reason
FROM builds AS self
JOIN builds AS b ON b.iteration_id = self.iteration_id
    AND b.architecture = self.architecture
    AND b.pkgbase = :pkgbase
WHERE self.id = :build
ORDER BY b.stage
LIMIT 1;

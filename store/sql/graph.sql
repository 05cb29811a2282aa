-- The build graph of an iteration. Its builds were numbered in one go, those of one
-- architecture after the other, so its edges and cuts are ranges of ids.

-- name: graph_builds
SELECT *
FROM builds
WHERE iteration_id = :iteration
  AND architecture = :architecture
ORDER BY id;

-- name: graph_edges
SELECT
    i.first_build + e.from_place AS from_build,
    i.first_build + e.to_place AS to_build,
    e.kinds,
    e.through
FROM iterations AS i
JOIN graph_edges AS e ON e.graph_id = i.graph_id AND e.from_place BETWEEN :first - i.first_build AND :last - i.first_build
WHERE i.id = :iteration
ORDER BY e.from_place, e.to_place;

-- name: graph_cuts
SELECT
    i.first_build + c.from_place AS from_build,
    i.first_build + c.to_place AS to_build,
    c.kinds,
    c.cycle
FROM iterations AS i
JOIN graph_cuts AS c ON c.graph_id = i.graph_id AND c.from_place BETWEEN :first - i.first_build AND :last - i.first_build
WHERE i.id = :iteration
ORDER BY c.from_place, c.to_place;

-- name: graph_shape
SELECT
    id,
    pkgbase,
    version,
    stage,
    level,
    reason
FROM builds
WHERE iteration_id = :iteration
  AND architecture = :architecture
ORDER BY id;

-- name: graph_states
SELECT
    id,
    status,
    skip_reason,
    priority
FROM builds
WHERE iteration_id = :iteration
  AND architecture = :architecture
ORDER BY id;

-- name: build_span
SELECT
    coalesce(min(id), 0) AS first,
    coalesce(max(id), -1) AS last
FROM builds
WHERE iteration_id = :iteration;

-- name: order_of_iteration
-- What waits for what: a twin for the build that does its work, too.
SELECT
    i.first_build + e.from_place AS from_build,
    i.first_build + e.to_place AS to_build
FROM iterations AS i
JOIN graph_edges AS e ON e.graph_id = i.graph_id
WHERE i.id = :iteration
UNION ALL
SELECT
    twin_of,
    id
FROM builds
WHERE twin_of BETWEEN :first AND :last;

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
    from_build,
    to_build,
    kinds,
    through
FROM edges
WHERE from_build BETWEEN :first AND :last
ORDER BY from_build, to_build;

-- name: graph_cuts
SELECT *
FROM cuts
WHERE from_build BETWEEN :first AND :last
ORDER BY from_build, to_build;

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
    from_build,
    to_build
FROM edges
WHERE from_build BETWEEN :first AND :last
UNION ALL
SELECT
    twin_of,
    id
FROM builds
WHERE twin_of BETWEEN :first AND :last;

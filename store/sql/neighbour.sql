-- What stands around a build in the graph of its iteration.

-- name: dependencies
-- By pkgbase, from the one after :cursor on; of one status, or of all.
SELECT
    b.id,
    b.pkgbase,
    b.architecture,
    b.stage,
    b.status,
    b.skip_reason,
    e.kinds,
    e.through
FROM edges AS e
JOIN builds AS b ON b.id = e.from_build
WHERE e.to_build = :build
  AND (:status = '' OR b.status = :status)
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
FROM edges AS e
JOIN builds AS b ON b.id = e.to_build
WHERE e.from_build = :build
  AND (:status = '' OR b.status = :status)
  AND (:cursor = 0 OR (b.pkgbase, b.stage, b.id) > (SELECT pkgbase, stage, id FROM builds WHERE id = :cursor))
ORDER BY b.pkgbase, b.stage, b.id
LIMIT :limit;

-- name: count_dependencies
SELECT
    b.status,
    count(*) AS n
FROM edges AS e
JOIN builds AS b ON b.id = e.from_build
WHERE e.to_build = :build
GROUP BY b.status;

-- name: count_dependents
SELECT
    b.status,
    count(*) AS n
FROM edges AS e
JOIN builds AS b ON b.id = e.to_build
WHERE e.from_build = :build
GROUP BY b.status;

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
FROM cuts AS c
JOIN builds AS b ON b.id = c.from_build
WHERE c.to_build = :build
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
FROM cuts AS c
JOIN builds AS b ON b.id = c.to_build
WHERE c.from_build = :build
ORDER BY b.pkgbase, b.stage;

-- name: cuts_of_iteration
SELECT
    t.architecture,
    f.pkgbase AS from_name,
    t.pkgbase AS to_name,
    c.kinds,
    c.cycle
FROM cuts AS c
JOIN builds AS f ON f.id = c.from_build
JOIN builds AS t ON t.id = c.to_build
WHERE c.from_build BETWEEN :first AND :last
ORDER BY t.architecture, t.pkgbase, f.pkgbase, c.from_build, c.to_build
LIMIT :limit;

-- name: count_cuts
SELECT count(*)
FROM cuts
WHERE from_build BETWEEN :first AND :last;

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

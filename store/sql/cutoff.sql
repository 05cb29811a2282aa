-- The cut-off: whether a build would notice any change (docs/domain.md, "Cut-off").

-- name: triggers
-- The dependencies of a kind that brings dependents into the set, and those on a
-- build's own first stage; with the build's latest result of the same commit in its
-- buildspace, whatever its version, and what that one was built against.
WITH wanted AS (
    SELECT
        b.id,
        b.pkgbase,
        b.architecture,
        i.graph_id,
        i.first_build,
        s.makedepends,
        coalesce((
            SELECT max(p.id)
            FROM builds AS p
            JOIN iterations AS pi ON pi.id = p.iteration_id
            WHERE p.pkgbase = b.pkgbase
              AND p.architecture = b.architecture
              AND p.stage = b.stage
              AND coalesce((SELECT m.source_commit FROM bumps AS m WHERE m.commit_id = p.commit_id), p.commit_id)
                = coalesce((SELECT m.source_commit FROM bumps AS m WHERE m.commit_id = b.commit_id), b.commit_id)
              AND p.no_check = b.no_check
              AND p.not_owned = b.not_owned
              AND p.status = 'built'
              AND pi.buildspace_id = i.buildspace_id
              AND p.iteration_id < b.iteration_id
        ), 0) AS previous_id
    FROM json_each(:builds) AS k
    CROSS JOIN builds AS b ON b.id = k.value
    JOIN iterations AS i ON i.id = b.iteration_id
    JOIN buildspaces AS s ON s.id = i.buildspace_id
)
SELECT
    w.id AS to_build,
    d.id,
    d.pkgbase,
    d.pkgbase = w.pkgbase AS own,
    d.status,
    w.previous_id,
    w.makedepends,
    coalesce(was.id, 0) AS was_id,
    coalesce(was.status, '') AS was_status
FROM wanted AS w
JOIN graph_edges AS e ON e.graph_id = w.graph_id AND e.to_place = w.id - w.first_build
JOIN builds AS d ON d.id = w.first_build + e.from_place
LEFT JOIN builds AS previous ON previous.id = w.previous_id
LEFT JOIN builds AS was ON was.iteration_id = previous.iteration_id
    AND was.architecture = d.architecture
    AND was.pkgbase = d.pkgbase
    AND was.stage = d.stage
WHERE d.pkgbase = w.pkgbase
   OR e.through = '[]'
  AND e.kinds & iif(w.makedepends, :kinds_with_makedepends, :kinds) <> 0
ORDER BY w.id, d.pkgbase;

-- name: rebuilt
-- The builds of an iteration that are built, and changesets that are not yet, with
-- the builds of the same in another iteration that are built. Those with the same
-- output are left out.
SELECT
    b.id,
    b.pkgbase,
    b.output_digest,
    b.status,
    coalesce(was.id, 0) AS was_id
FROM builds AS b
LEFT JOIN builds AS was ON was.iteration_id = :previous
    AND was.architecture = b.architecture
    AND was.pkgbase = b.pkgbase
    AND was.stage = b.stage
    AND was.status = 'built'
WHERE b.iteration_id = :iteration
  AND b.architecture = :architecture
  AND (b.status = 'built' OR b.status <> 'skipped' AND b.reason ->> '$.kind' = 'changeset')
  AND (was.id IS NULL OR b.status <> 'built' OR was.output_digest <> b.output_digest)
ORDER BY b.reason ->> '$.kind' <> 'changeset', b.pkgbase, b.stage;

-- name: build_without_cutoff
UPDATE builds
SET may_skip = FALSE
WHERE id = :build;

-- name: keep_packages
-- They are no result for the build's input, from which they were not made.
UPDATE builds
SET may_skip = FALSE,
    held = 'linking',
    reused_from = :from,
    input_key = ''
WHERE id = :build;

-- name: save_interface
-- A digest means one file, but what is read of a file grows with the versions of
-- buildbtw.
INSERT INTO interfaces (
    sha256,
    interface
)
VALUES (
    :sha256,
    :interface
)
ON CONFLICT (sha256) DO UPDATE SET interface = excluded.interface;

-- name: interfaces_of_builds
SELECT
    b.id AS build_id,
    f.interface
FROM builds AS b
JOIN packages AS p ON p.build_id = CASE b.twin_of WHEN 0 THEN b.id ELSE b.twin_of END AND p.published
LEFT JOIN interfaces AS f ON f.sha256 = p.sha256
WHERE b.id IN (SELECT value FROM json_each(:builds))
ORDER BY p.pkgname;

-- name: built_libraries
-- Of published packages that have something of 32 bits and whose names do not say so:
-- the newest of each name, as far as it still has.
SELECT
    b.architecture,
    p.pkgname,
    f.interface
FROM interfaces AS f
JOIN packages AS p ON p.sha256 = f.sha256 AND p.published
JOIN builds AS b ON b.id = p.build_id
WHERE f.interface LIKE '%-32"%' AND p.pkgname NOT LIKE 'lib32-%' AND NOT EXISTS (
    SELECT 1
    FROM packages AS newer
    JOIN builds AS nb ON nb.id = newer.build_id
    WHERE newer.pkgname = p.pkgname AND newer.published AND nb.architecture = b.architecture AND newer.build_id > p.build_id
)
ORDER BY p.build_id, p.pkgname;

-- name: built_directories
-- Of published packages that have files in versioned directories, of iterations that
-- nothing takes the place of: the newest of each name.
SELECT
    b.architecture,
    p.pkgname,
    b.pkgbase,
    f.interface
FROM interfaces AS f
JOIN packages AS p ON p.sha256 = f.sha256 AND p.published
JOIN builds AS b ON b.status = 'built' AND (b.id = p.build_id OR b.twin_of = p.build_id)
JOIN iterations AS i ON i.id = b.iteration_id AND i.state <> 'superseded'
WHERE f.interface LIKE '%"directories":["%'
GROUP BY b.architecture, p.pkgname
HAVING b.id = max(b.id)
ORDER BY b.architecture, p.pkgname
LIMIT :limit;

-- name: packages_with
SELECT
    p.pkgname,
    b.pkgbase,
    p.version,
    s.name AS buildspace,
    i.number AS iteration,
    b.id AS build_id,
    f.interface
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
JOIN builds AS b ON b.iteration_id = i.id AND b.status = 'built' AND b.architecture = :architecture
JOIN packages AS p ON p.build_id = CASE b.twin_of WHEN 0 THEN b.id ELSE b.twin_of END AND p.published
JOIN interfaces AS f ON f.sha256 = p.sha256
WHERE i.state <> 'superseded'
  AND instr(f.interface, :text) > 0
ORDER BY p.pkgname, b.id DESC
LIMIT :limit;

-- name: links_known
-- Whose links are part of a result: interfaces of before links were read have none.
SELECT DISTINCT b.pkgbase
FROM json_each(:pkgbases) AS n
JOIN builds AS b ON b.pkgbase = n.value AND b.status = 'built' AND b.architecture = :architecture
JOIN iterations AS i ON i.id = b.iteration_id AND i.state <> 'superseded'
JOIN packages AS p ON p.build_id = CASE b.twin_of WHEN 0 THEN b.id ELSE b.twin_of END AND p.published
JOIN interfaces AS f ON f.sha256 = p.sha256 AND json_type(f.interface, '$.links') = 'array' AND json_extract(f.interface, '$.unknown') IS NULL;

-- name: newest_builds
SELECT
    b.id AS build_id,
    b.pkgbase,
    b.status,
    b.version,
    i.id AS iteration_id,
    i.number AS iteration,
    s.name AS buildspace
FROM (
    SELECT max(nb.id) AS id
    FROM json_each(:pkgbases) AS n
    JOIN builds AS nb ON nb.pkgbase = n.value
    JOIN iterations AS ni ON ni.id = nb.iteration_id
    JOIN buildspaces AS ns ON ns.id = ni.buildspace_id AND NOT ns.hidden
    GROUP BY nb.pkgbase
) AS newest
JOIN builds AS b ON b.id = newest.id
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id;

-- name: previous_result
-- The newest earlier one in the buildspace, whatever its commit.
SELECT
    p.id,
    pi.number,
    p.version
FROM builds AS b
JOIN iterations AS i ON i.id = b.iteration_id
JOIN builds AS p ON p.pkgbase = b.pkgbase
    AND p.architecture = b.architecture
    AND p.status = 'built'
    AND p.iteration_id < b.iteration_id
JOIN iterations AS pi ON pi.id = p.iteration_id AND pi.buildspace_id = i.buildspace_id
WHERE b.id = :build
ORDER BY p.id DESC
LIMIT 1;

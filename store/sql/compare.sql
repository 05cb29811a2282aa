-- What came out of iterations, for comparing any two.

-- name: compared_builds
-- Seconds are those of the last attempt: -1 while there is none that has ended.
SELECT
    id,
    architecture,
    pkgbase,
    stage,
    source,
    commit_id,
    version,
    status,
    skip_reason,
    reused_from <> 0,
    CASE
        WHEN started_at IS NULL OR finished_at IS NULL THEN -1
        ELSE CAST((julianday(finished_at) - julianday(started_at)) * 86400 + 0.5 AS INTEGER)
    END
FROM builds
WHERE iteration_id = :iteration
ORDER BY id;

-- name: compared_packages
-- A twin has the packages of the build that it is a twin of.
SELECT
    b.id,
    b.architecture,
    p.pkgname,
    p.version,
    p.sha256
FROM builds AS b
JOIN packages AS p ON p.build_id = CASE b.twin_of WHEN 0 THEN b.id ELSE b.twin_of END AND p.published
WHERE b.iteration_id = :iteration
  AND b.status = 'built'
ORDER BY b.id, p.pkgname;

-- name: interfaces_of_files
SELECT
    sha256,
    interface
FROM interfaces
WHERE sha256 IN (SELECT value FROM json_each(:digests));

-- What buildspaces that are open at the same time have in common.

-- name: open_iterations
SELECT
    i.id,
    i.number,
    s.name AS buildspace
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE i.state = 'ready'
  AND s.status = 'active'
  AND NOT s.hidden
ORDER BY i.id DESC
LIMIT :limit;

-- name: planned_packages
-- What an iteration builds, with the commit of the source and not of a bump. What was left
-- out changes nothing for others.
SELECT
    b.id,
    b.iteration_id,
    b.architecture,
    b.pkgbase,
    b.source,
    coalesce(m.source_commit, b.commit_id) AS commit_id,
    b.version,
    b.pkgnames,
    b.status,
    c.source IS NOT NULL AS changed
FROM builds AS b
LEFT JOIN bumps AS m ON m.commit_id = b.commit_id
LEFT JOIN iteration_changesets AS c ON c.iteration_id = b.iteration_id AND c.source = b.source
WHERE b.iteration_id = :iteration
  AND b.stage = 1
  AND b.skip_reason NOT IN ('unchanged', 'excluded')
ORDER BY b.pkgbase, b.architecture;

-- name: shared_packages
-- The builds that iterations have of these pkgbases. Each is looked up by its key: the
-- iterations may have thousands of others.
SELECT
    b.id,
    b.iteration_id,
    b.architecture,
    b.pkgbase,
    b.source,
    b.commit_id,
    b.version,
    b.pkgnames,
    b.status,
    c.source IS NOT NULL AS changed
FROM json_each(:iterations) AS i
CROSS JOIN json_each(:pkgbases) AS k
CROSS JOIN builds AS b ON b.iteration_id = i.value
    AND b.architecture = :architecture
    AND b.pkgbase = k.value
    AND b.stage = 1
LEFT JOIN iteration_changesets AS c ON c.iteration_id = b.iteration_id AND c.source = b.source
WHERE b.skip_reason NOT IN ('unchanged', 'excluded');

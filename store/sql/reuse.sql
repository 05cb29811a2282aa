-- Nothing identical is built twice: builds of one input key have the same result.

-- name: newest_results
-- For each key the result that was made, or taken over, last: its files are kept
-- longest.
SELECT
    b.id,
    b.input_key,
    b.output_digest,
    b.architecture,
    s.name AS buildspace,
    i.number AS iteration,
    b.iteration_id
FROM builds AS b
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE b.id IN (
    SELECT max(r.id)
    FROM json_each(:keys) AS k
    CROSS JOIN builds AS r ON r.input_key = k.value AND r.input_key <> ''
    WHERE r.status = 'built'
    GROUP BY r.input_key
);

-- name: results_of_commits
-- For each commit of a source, given as an array of pkgbase, architecture, commit and
-- stage, the newest result.
SELECT
    r.pkgbase,
    r.architecture,
    k.value ->> 2 AS commit_id,
    r.stage,
    r.base_inputs
FROM json_each(:commits) AS k
JOIN builds AS r ON r.id = (
    SELECT max(b.id)
    FROM builds AS b
    WHERE b.pkgbase = k.value ->> 0
      AND b.architecture = k.value ->> 1
      AND coalesce((SELECT m.source_commit FROM bumps AS m WHERE m.commit_id = b.commit_id), b.commit_id) = k.value ->> 2
      AND b.stage = k.value ->> 3
      AND b.status = 'built'
      AND b.input_key <> ''
)
ORDER BY r.pkgbase;

-- name: results
SELECT
    b.id,
    b.input_key,
    b.output_digest,
    b.architecture,
    s.name AS buildspace,
    i.number AS iteration,
    b.iteration_id
FROM builds AS b
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE b.id IN (SELECT value FROM json_each(:builds));

-- name: inputs
SELECT
    b.id,
    b.pkgbase,
    b.commit_id,
    b.architecture,
    b.stage,
    b.no_check,
    b.not_owned,
    b.base_inputs,
    b.twin_of
FROM json_each(:builds) AS k
CROSS JOIN builds AS b ON b.id = k.value;

-- name: dependency_outputs
-- For one that was skipped as unchanged the base's package is used.
SELECT
    w.id AS to_build,
    d.pkgbase,
    d.stage,
    d.status,
    d.output_digest,
    d.runtime_inputs,
    d.base_package,
    e.kinds & :depends <> 0 AS installed
FROM json_each(:builds) AS k
CROSS JOIN builds AS w ON w.id = k.value
CROSS JOIN iterations AS i ON i.id = w.iteration_id
CROSS JOIN graph_edges AS e INDEXED BY graph_edges_to ON e.graph_id = i.graph_id AND e.to_place = w.id - i.first_build
CROSS JOIN builds AS d ON d.id = i.first_build + e.from_place
WHERE d.status = 'built'
   OR d.status = 'skipped' AND d.base_package <> ''
ORDER BY w.id, d.pkgbase, d.stage;

-- name: set_input_keys
-- :keys are arrays of id, key, and digest of the runtime inputs.
UPDATE builds
SET input_key = k.value ->> 1,
    runtime_inputs = k.value ->> 2
FROM json_each(:keys) AS k
WHERE builds.id = k.value ->> 0;

-- name: any_to_link
SELECT EXISTS (
    SELECT 1
    FROM builds
    WHERE held IN ('reuse', 'linking')
      AND held <> ''
);

-- name: begin_linking
UPDATE builds
SET held = 'linking',
    reused_from = (
        SELECT max(r.id)
        FROM builds AS r
        WHERE r.input_key = builds.input_key
          AND r.input_key <> ''
          AND r.status = 'built'
    )
WHERE id IN (
    SELECT id
    FROM builds
    WHERE held = 'reuse'
      AND held <> ''
    ORDER BY id
    LIMIT :limit
);

-- name: held_builds
-- Both conditions are needed: SQLite does not see by itself that :hold is not
-- empty, and would not use the index of what is held.
SELECT
    b.*,
    s.name AS buildspace,
    i.number AS iteration
FROM builds AS b
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE b.held = :hold
  AND b.held <> ''
ORDER BY b.id
LIMIT :limit;

-- name: twin_architectures
-- For which builds do the work of others.
SELECT
    twin_of,
    architecture
FROM builds
WHERE twin_of <> 0
  AND twin_of IN (SELECT value FROM json_each(:builds))
ORDER BY architecture;

-- name: linking_builds
-- Those of the builds that are being linked, with the words for the event.
SELECT
    n.id,
    'Reused from ' || s.name || ' #' || i.number || '.' AS words
FROM builds AS n
JOIN builds AS b ON b.id = n.reused_from
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE n.held = 'linking'
  AND n.status = 'pending'
  AND n.id IN (SELECT value FROM json_each(:builds))
ORDER BY n.id;

-- name: take_packages
-- Gives builds that reuse others the packages of those.
INSERT INTO packages (
    build_id,
    attempt_id,
    pkgname,
    version,
    architecture,
    filename,
    sha256,
    size,
    published,
    created_at
)
SELECT
    n.id,
    p.attempt_id,
    p.pkgname,
    p.version,
    p.architecture,
    p.filename,
    p.sha256,
    p.size,
    TRUE,
    p.created_at
FROM json_each(:builds) AS k
CROSS JOIN builds AS n ON n.id = k.value
JOIN packages AS p ON p.build_id = n.reused_from AND p.published
WHERE n.reused_from <> 0
  AND n.status = 'built'
ORDER BY n.id, p.id;

-- name: abandoned_links
SELECT
    b.id,
    b.reused_from,
    i.state
FROM json_each(:builds) AS k
CROSS JOIN builds AS b ON b.id = k.value
JOIN iterations AS i ON i.id = b.iteration_id
WHERE b.held = 'linking'
ORDER BY b.id;

-- name: end_linking
-- Until it is found anew whether they are held, they wait to be reused. The cut-off
-- does not apply any more: it may be what found the packages that are gone.
UPDATE builds
SET held = 'reuse',
    reused_from = 0,
    may_skip = FALSE
WHERE id IN (SELECT value FROM json_each(:builds));

-- name: keys_of_builds
SELECT DISTINCT input_key
FROM builds
WHERE input_key <> ''
  AND id IN (SELECT value FROM json_each(:builds));

-- name: builds_of_keys
SELECT b.id
FROM json_each(:keys) AS k
CROSS JOIN builds AS b ON b.input_key = k.value AND b.input_key <> '';

-- name: forget_attempts
-- Their packages are no result for others any more.
UPDATE attempts
SET input_key = ''
WHERE input_key IN (SELECT value FROM json_each(:keys))
  AND id IN (
    SELECT p.attempt_id
    FROM packages AS p
    WHERE p.published
      AND p.build_id IN (SELECT value FROM json_each(:builds))
  );

-- name: forget_builds
UPDATE builds
SET input_key = ''
WHERE id IN (SELECT value FROM json_each(:builds));

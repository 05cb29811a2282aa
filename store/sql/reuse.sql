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
    i.number AS iteration
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

-- name: results
SELECT
    b.id,
    b.input_key,
    b.output_digest,
    b.architecture,
    s.name AS buildspace,
    i.number AS iteration
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
    b.twin_of
FROM json_each(:builds) AS k
CROSS JOIN builds AS b ON b.id = k.value;

-- name: dependency_outputs
-- One that was skipped as unchanged is not among them: the base's package is used.
SELECT
    e.to_build,
    d.pkgbase,
    d.stage,
    d.output_digest
FROM json_each(:builds) AS k
CROSS JOIN edges AS e ON e.to_build = k.value
JOIN builds AS d ON d.id = e.from_build
WHERE d.status = 'built'
ORDER BY e.to_build, d.pkgbase, d.stage;

-- name: set_input_keys
-- :keys are pairs of id and key.
UPDATE builds
SET input_key = k.value ->> 1
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

-- Iterations, from their plan to what lists show of them.

-- name: iteration
-- Number 0 is the latest.
SELECT
    i.*,
    s.name AS buildspace,
    s.bump
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE s.name = :buildspace
  AND NOT s.hidden
  AND (i.number = :number OR :number = 0)
ORDER BY i.number DESC
LIMIT 1;

-- name: iterations
SELECT
    i.*,
    s.name AS buildspace
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE s.name = :buildspace
  AND NOT s.hidden
ORDER BY i.number DESC;

-- name: latest_iterations
SELECT
    i.*,
    s.name AS buildspace
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE i.id IN (
    SELECT max(id)
    FROM iterations
    WHERE buildspace_id IN (SELECT value FROM json_each(:buildspaces))
    GROUP BY buildspace_id
);

-- name: changesets_of_iterations
SELECT *
FROM iteration_changesets
WHERE iteration_id IN (SELECT value FROM json_each(:iterations))
ORDER BY iteration_id, source;

-- name: warnings
SELECT
    iteration_id,
    kind,
    source,
    message
FROM iteration_warnings
WHERE iteration_id = :iteration
ORDER BY id;

-- name: architectures_of_iteration
-- From one to the next over the index; DISTINCT would go through all builds.
WITH RECURSIVE a (architecture) AS (
    SELECT min(architecture)
    FROM builds
    WHERE iteration_id = :iteration
    UNION ALL
    SELECT (
        SELECT min(b.architecture)
        FROM builds AS b
        WHERE b.iteration_id = :iteration
          AND b.architecture > a.architecture
    )
    FROM a
    WHERE a.architecture IS NOT NULL
)
SELECT architecture
FROM a
WHERE architecture IS NOT NULL;

-- name: ready_iteration_numbers
SELECT
    s.name AS buildspace,
    i.number AS iteration
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE i.state = 'ready'
  AND NOT s.hidden
ORDER BY i.id;

-- name: ready_repositories
-- One for each architecture that builds of the iteration are for.
SELECT
    s.name AS buildspace,
    i.number AS iteration,
    b.architecture
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
JOIN builds AS b ON b.iteration_id = i.id
WHERE i.state = 'ready'
  AND NOT s.hidden
GROUP BY i.id, b.architecture
ORDER BY i.id, b.architecture;

-- name: changeset_commits
SELECT
    s.name,
    i.number,
    c.source,
    c.commit_id
FROM iteration_changesets AS c
JOIN iterations AS i ON i.id = c.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE substr(c.commit_id, 1, :length) = :prefix
ORDER BY i.id DESC, c.source
LIMIT :limit;

-- name: named_builds
-- Names mean the same in every iteration, ids do not.
SELECT
    id,
    architecture,
    CASE stage WHEN 2 THEN pkgbase || '@2' ELSE pkgbase END AS name,
    source,
    commit_id,
    version
FROM builds
WHERE iteration_id = :iteration;

-- name: edges_of_iteration
SELECT
    i.first_build + e.from_place AS from_build,
    i.first_build + e.to_place AS to_build,
    e.kinds
FROM iterations AS i
JOIN graph_edges AS e ON e.graph_id = i.graph_id
WHERE i.id = :iteration;

-- name: graph_of_digest
SELECT id
FROM graphs
WHERE digest = :digest;

-- name: new_graph
INSERT INTO graphs (digest)
VALUES (:digest)
RETURNING id;

-- name: set_graph
UPDATE iterations
SET graph_id = :graph,
    first_build = :first
WHERE id = :iteration;

-- name: next_iteration_number
SELECT coalesce(max(number), 0) + 1
FROM iterations
WHERE buildspace_id = :buildspace;

-- name: next_build_id
-- Ids are given out by the store and not by the database, so that edges can be
-- written without reading builds back; AUTOINCREMENT takes note of them.
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'builds'), 0) + 1;

-- name: reused_builds
-- The builds of an iteration that have packages of another, with the words for the
-- event.
SELECT
    n.id,
    'Reused from ' || s.name || ' #' || i.number || '.' AS words
FROM builds AS n
JOIN builds AS b ON b.id = n.reused_from
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE n.iteration_id = :iteration
  AND n.reused_from <> 0;

-- name: builds_that_end
-- What ends with the buildspace's ready iterations: everything, or all but the runs
-- that a held build of an iteration that goes on waits for.
SELECT b.id
FROM iterations AS i
JOIN builds AS b ON b.iteration_id = i.id
WHERE i.buildspace_id = :buildspace
  AND i.state = 'ready'
  AND i.id <> :except
  AND (
    :everything
    OR b.status NOT IN ('scheduled', 'building')
    OR NOT EXISTS (
        SELECT 1
        FROM builds AS w
        JOIN iterations AS wi ON wi.id = w.iteration_id
        WHERE w.input_key = b.input_key
          AND w.input_key <> ''
          AND w.held = 'running'
          AND wi.state = 'ready'
    )
  );

-- name: end_iterations
UPDATE iterations
SET state = :state
WHERE buildspace_id = :buildspace
  AND state = 'ready'
  AND id <> :except
RETURNING
    id,
    number;

-- name: resume_iteration
-- Makes the iteration ready again with which the buildspace was stopped: the latest
-- that was planned, when it is a stopped one.
UPDATE iterations
SET state = 'ready'
WHERE state = 'stopped'
  AND archived_at IS NULL
  AND id = (
    SELECT max(id)
    FROM iterations
    WHERE buildspace_id = :buildspace
      AND state <> 'invalid'
  )
RETURNING
    id,
    number;

-- name: stopped_builds
SELECT id
FROM builds
WHERE iteration_id = :iteration
  AND status = 'skipped'
  AND skip_reason = 'stopped'
ORDER BY id;

-- name: answer_request
-- A request that came after the plan was begun has a higher revision and stays.
UPDATE buildspaces
SET wanted = '',
    wanted_text = '',
    wanted_at = NULL
WHERE id = :buildspace
  AND revision = :revision;

-- name: latest_repository
SELECT
    l.iteration,
    l.previous,
    l.since
FROM buildspaces AS s
JOIN latest_repositories AS l ON l.buildspace_id = s.id
WHERE s.name = :buildspace
  AND NOT s.hidden;

-- name: newest_complete_iteration
-- The newest after the one with number :after of which every build is built, or was
-- left out for good.
SELECT i.number
FROM buildspaces AS s
JOIN iterations AS i ON i.buildspace_id = s.id
WHERE s.name = :buildspace
  AND NOT s.hidden
  AND i.number > :after
  AND i.archived_at IS NULL
  AND i.state IN ('ready', 'superseded', 'stopped')
  AND EXISTS (SELECT 1 FROM build_counts AS c WHERE c.iteration_id = i.id AND c.builds > 0)
  AND NOT EXISTS (
    SELECT 1
    FROM build_counts AS c
    WHERE c.iteration_id = i.id
      AND c.status NOT IN ('built', 'skipped')
      AND c.builds > 0
  )
  AND NOT EXISTS (
    SELECT 1
    FROM builds AS b
    WHERE b.iteration_id = i.id
      AND b.status = 'skipped'
      AND b.skip_reason NOT IN ('unchanged', 'excluded')
  )
ORDER BY i.number DESC
LIMIT 1;

-- name: switch_latest
INSERT INTO latest_repositories (
    buildspace_id,
    iteration,
    previous,
    since
)
VALUES (
    :buildspace,
    :iteration,
    :previous,
    :since
)
ON CONFLICT (buildspace_id) DO UPDATE
SET iteration = EXCLUDED.iteration,
    previous = EXCLUDED.previous,
    since = EXCLUDED.since;

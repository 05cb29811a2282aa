-- What machines did in a span of time, and how packages went over iterations.

-- name: attempts_between
-- The names of workers are found one by one in attempts_worker: those that were
-- forgotten have attempts, too.
WITH RECURSIVE names (worker) AS (
    SELECT min(worker)
    FROM attempts
    WHERE state = 'finished'
    UNION ALL
    SELECT (
        SELECT min(a.worker)
        FROM attempts AS a
        WHERE a.state = 'finished'
          AND a.worker > names.worker
    )
    FROM names
    WHERE names.worker IS NOT NULL
)
SELECT
    a.worker,
    a.slot,
    a.number,
    a.state,
    a.outcome,
    a.started_at,
    a.finished_at,
    a.build_id,
    b.pkgbase,
    b.baseline_id <> 0 AS of_base,
    b.repeat_of <> 0 AS second,
    iif(s.hidden, '', s.name) AS buildspace,
    iif(s.hidden, 0, i.number) AS iteration
FROM (
    SELECT a.*
    FROM names
    CROSS JOIN attempts AS a ON a.worker = names.worker AND a.state = 'finished' AND a.finished_at > :from
    WHERE a.started_at < :until
    UNION ALL
    SELECT *
    FROM attempts
    WHERE state <> 'finished'
      AND started_at < :until
) AS a
JOIN builds AS b ON b.id = a.build_id
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE :buildspace = ''
   OR :buildspace = s.name AND NOT s.hidden
ORDER BY a.started_at DESC, a.build_id
LIMIT :limit;

-- name: seen_slots
-- How many slots each worker has used since: those it runs builds in, and those that
-- ended.
SELECT
    w.name AS worker,
    max(
        (SELECT coalesce(max(a.slot) + 1, 0) FROM attempts AS a WHERE a.worker = w.name AND a.state = 'running'),
        (SELECT coalesce(max(a.slot) + 1, 0) FROM attempts AS a WHERE a.worker = w.name AND a.state = 'finished' AND a.finished_at > :since)
    ) AS slots
FROM workers AS w
ORDER BY w.name;

-- name: newest_planned
-- The newest iterations of a buildspace that have builds, the newest first.
SELECT
    i.id,
    i.number,
    s.name AS buildspace,
    i.created_at,
    i.state = 'superseded'
    AND NOT EXISTS (
        SELECT 1
        FROM build_counts AS c
        WHERE c.iteration_id = i.id
          AND c.status IN ('blocked', 'pending', 'scheduled', 'building')
          AND c.builds > 0
    ) AS settled
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE s.name = :buildspace
  AND NOT s.hidden
  AND EXISTS (SELECT 1 FROM builds AS b WHERE b.iteration_id = i.id)
ORDER BY i.number DESC
LIMIT :limit;

-- name: newest_of_spaces
-- The newest iteration that has builds of each buildspace, those of active ones first,
-- then the newest.
SELECT
    i.id,
    i.number,
    s.name AS buildspace,
    i.created_at,
    i.state = 'superseded'
    AND NOT EXISTS (
        SELECT 1
        FROM build_counts AS c
        WHERE c.iteration_id = i.id
          AND c.status IN ('blocked', 'pending', 'scheduled', 'building')
          AND c.builds > 0
    ) AS settled
FROM buildspaces AS s
JOIN iterations AS i ON i.buildspace_id = s.id AND i.number = (
    SELECT max(n.number)
    FROM iterations AS n
    WHERE n.buildspace_id = s.id
      AND EXISTS (SELECT 1 FROM builds AS b WHERE b.iteration_id = n.id)
)
WHERE NOT s.hidden
ORDER BY s.status = 'active' DESC, i.id DESC
LIMIT :limit;

-- name: grid_cells
-- Seconds are those of the last attempt: -1 while there is none that has ended.
SELECT
    id,
    pkgbase,
    stage,
    status,
    skip_reason,
    reused_from <> 0,
    CASE
        WHEN started_at IS NULL OR finished_at IS NULL THEN -1
        ELSE CAST((julianday(finished_at) - julianday(started_at)) * 86400 + 0.5 AS INTEGER)
    END
FROM builds
WHERE iteration_id = :iteration
  AND architecture = :architecture
ORDER BY id;

-- name: past_builds
-- The newest builds of a package that machines have ended. Those that only took over the
-- packages of another are not among them. Memory is that of the last attempt.
SELECT
    b.id,
    s.name AS buildspace,
    i.number AS iteration,
    b.stage,
    b.version,
    b.status,
    b.finished_at,
    round((julianday(b.finished_at) - julianday(b.started_at)) * 86400, 3) AS seconds,
    (SELECT a.memory FROM attempts AS a WHERE a.build_id = b.id ORDER BY a.number DESC LIMIT 1) AS memory,
    (SELECT coalesce(sum(p.size), 0) FROM packages AS p WHERE p.build_id = b.id AND p.published) AS size
FROM builds AS b
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE b.pkgbase = :pkgbase
  AND b.architecture = :architecture
  AND b.status IN ('built', 'failed')
  AND NOT s.hidden
  AND b.reused_from = 0
  AND b.started_at IS NOT NULL
  AND b.finished_at IS NOT NULL
ORDER BY b.finished_at DESC, b.id DESC
LIMIT :limit;

-- name: package_sizes
-- Of the newest build of each pkgbase that has packages.
SELECT
    n.value AS pkgbase,
    (
        SELECT sum(p.size)
        FROM packages AS p
        WHERE p.published
          AND p.build_id = (
            SELECT max(b.id)
            FROM builds AS b
            WHERE b.pkgbase = n.value
              AND b.architecture = :architecture
              AND b.status = 'built'
              AND b.twin_of = 0
        )
    ) AS bytes
FROM json_each(:pkgbases) AS n;

-- name: sources_of
SELECT DISTINCT c.source
FROM changesets AS c
JOIN buildspaces AS s ON s.id = c.buildspace_id
WHERE s.created_by = :name
  AND NOT s.hidden
ORDER BY c.source;

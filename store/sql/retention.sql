-- What is removed, and what must stay.

-- name: retained_iterations
-- All iterations, the newest of each buildspace first.
SELECT
    i.*,
    s.name AS buildspace,
    i.pinned OR s.pinned AS kept,
    coalesce((SELECT sum(c.builds) FROM build_counts AS c WHERE c.iteration_id = i.id), 0) AS builds
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE NOT s.hidden
ORDER BY i.buildspace_id, i.number DESC;

-- name: policy_began
-- When the migration that knows of a policy was applied.
SELECT applied_at
FROM schema_migrations
WHERE version = 31;

-- name: needs_of_iteration
-- What needs an iteration. An open release needs its packages, and one that was handed over
-- for as long as a target may go back to it; what was released stays known for good. A release
-- of what another target has is one of the iterations whose builds go with it. Others have
-- packages of it when they reused them: then its builds' runs and logs are theirs, too.
SELECT
    i.state IN ('calculating', 'ready') AS goes_on,
    i.pinned OR s.pinned AS pinned,
    EXISTS (
        SELECT 1
        FROM builds AS b
        JOIN attempts AS a ON a.build_id = b.id
        WHERE b.iteration_id = i.id
          AND (a.state <> 'finished' OR a.kept_until > :now)
    ) OR EXISTS (
        SELECT 1
        FROM builds AS b
        JOIN pipelines AS p ON p.build_id = b.id
        WHERE b.iteration_id = i.id
          AND (p.state <> 'ended' OR p.pinned)
    ) AS running,
    EXISTS (
        SELECT 1
        FROM builds AS h
        JOIN builds AS f ON f.id = h.reused_from
        WHERE h.held = 'linking'
          AND h.held <> ''
          AND f.iteration_id = i.id
    ) AS linked,
    EXISTS (
        SELECT 1
        FROM latest_repositories AS l
        WHERE l.buildspace_id = i.buildspace_id
          AND i.number IN (l.iteration, l.previous)
    ) AS served,
    EXISTS (
        SELECT 1
        FROM releases AS r
        WHERE r.iteration_id = i.id
          AND (
            r.state IN ('checked', 'signing', 'handing-over', 'waiting')
            OR EXISTS (SELECT 1 FROM generations AS g WHERE g.release_id = r.id AND g.state <> 'gone')
          )
    ) OR EXISTS (
        SELECT 1
        FROM releases AS r
        JOIN release_units AS u ON u.release_id = r.id AND u.goes
        JOIN builds AS b ON b.id = u.build_id
        WHERE r.from_id IS NOT NULL
          AND b.iteration_id = i.id
          AND (
            r.state IN ('checked', 'signing', 'handing-over')
            OR EXISTS (SELECT 1 FROM generations AS g WHERE g.release_id = r.id AND g.state <> 'gone')
          )
    ) AS releasing,
    EXISTS (SELECT 1 FROM releases AS r WHERE r.iteration_id = i.id AND r.state IN ('released', 'withdrawn')) AS released,
    EXISTS (
        SELECT 1
        FROM builds AS b
        JOIN attempts AS a ON a.build_id = b.id
        JOIN packages AS p ON p.attempt_id = a.id
        JOIN builds AS o ON o.id = p.build_id
        JOIN iterations AS oi ON oi.id = o.iteration_id
        WHERE b.iteration_id = i.id
          AND oi.id <> i.id
          AND oi.deleted_at IS NULL
          AND (NOT :space OR oi.buildspace_id <> i.buildspace_id)
    ) AS reused
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE i.id = :iteration;

-- name: size_of_iteration
-- Files that reuse shares are counted by each iteration that has them.
SELECT
    count(*) AS packages,
    coalesce(sum(p.size), 0) AS bytes
FROM builds AS b
JOIN packages AS p ON p.build_id = b.id AND p.published
WHERE b.iteration_id = :iteration;

-- name: archive_iteration
UPDATE iterations
SET archived_at = :now,
    files_left = :repository
WHERE id = :iteration
  AND archived_at IS NULL;

-- name: unserve_iteration
-- Of a buildspace whose served iteration is archived nothing is served.
DELETE FROM latest_repositories
WHERE buildspace_id = :buildspace
  AND :number IN (iteration, previous);

-- name: delete_iteration
-- It leaves its buildspace at once: for a hidden one, whose rows nobody sees.
UPDATE iterations
SET deleted_at = :now,
    buildspace_id = :into,
    number = CASE WHEN buildspace_id = :into THEN number ELSE id END,
    state = CASE WHEN state = 'invalid' THEN 'invalid' ELSE 'superseded' END
WHERE id = :iteration
  AND deleted_at IS NULL;

-- name: hide_buildspace
UPDATE buildspaces
SET hidden = TRUE,
    deleted_at = :now,
    wanted = '',
    wanted_text = '',
    wanted_at = NULL
WHERE id = :buildspace
  AND status = 'stopped'
  AND deleted_at IS NULL;

-- name: deleted_buildspace
SELECT id
FROM buildspaces
WHERE name = :name
  AND deleted_at IS NOT NULL;

-- name: deleted_buildspaces
-- Those of which no iteration is left.
SELECT s.id
FROM buildspaces AS s
WHERE s.deleted_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM iterations AS i WHERE i.buildspace_id = s.id)
ORDER BY s.id;

-- name: iterations_of_buildspace
SELECT i.*
FROM iterations AS i
WHERE i.buildspace_id = :buildspace
ORDER BY i.number;

-- name: pin_iteration
UPDATE iterations
SET pinned = :pinned
WHERE id = :iteration
  AND pinned <> :pinned;

-- name: pin_buildspace
UPDATE buildspaces
SET pinned = :pinned
WHERE id = :buildspace
  AND pinned <> :pinned;

-- name: files_left
SELECT
    id,
    files_left
FROM iterations
WHERE files_left <> ''
ORDER BY id;

-- name: builds_with_results
SELECT id
FROM builds
WHERE iteration_id = :iteration
  AND input_key <> ''
ORDER BY id
LIMIT :limit;

-- name: linked_from
SELECT EXISTS (
    SELECT 1
    FROM builds AS h
    JOIN builds AS f ON f.id = h.reused_from
    WHERE h.held = 'linking'
      AND h.held <> ''
      AND f.iteration_id = :iteration
);

-- name: files_removed
UPDATE iterations
SET files_left = ''
WHERE id = :iteration
  AND files_left = :repository;

-- name: deleted_iterations
SELECT id
FROM iterations
WHERE deleted_at IS NOT NULL
  AND files_left = ''
ORDER BY id;

-- name: own_attempts
-- Those whose packages no other iteration has; and, of an iteration that is deleted, those of
-- others without logs that stayed for it alone.
SELECT
    a.id,
    a.random
FROM builds AS b
JOIN attempts AS a ON a.build_id = b.id
WHERE b.iteration_id = :iteration
  AND NOT EXISTS (
    SELECT 1
    FROM packages AS p
    JOIN builds AS o ON o.id = p.build_id
    JOIN iterations AS oi ON oi.id = o.iteration_id
    WHERE p.attempt_id = a.id
      AND o.iteration_id <> b.iteration_id
      AND oi.deleted_at IS NULL
  )
UNION
SELECT
    a.id,
    a.random
FROM iterations AS x
JOIN builds AS xb ON xb.iteration_id = x.id
JOIN packages AS xp ON xp.build_id = xb.id
JOIN attempts AS a ON a.id = xp.attempt_id
JOIN builds AS b ON b.id = a.build_id
JOIN iterations AS i ON i.id = b.iteration_id
WHERE x.id = :iteration
  AND x.deleted_at IS NOT NULL
  AND i.id <> x.id
  AND i.logs_removed_at IS NOT NULL
  AND NOT EXISTS (
    SELECT 1
    FROM packages AS p
    JOIN builds AS o ON o.id = p.build_id
    JOIN iterations AS oi ON oi.id = o.iteration_id
    WHERE p.attempt_id = a.id
      AND o.iteration_id <> b.iteration_id
      AND oi.deleted_at IS NULL
  )
ORDER BY 1;

-- name: logs_removed
UPDATE iterations
SET logs_removed_at = :now
WHERE id = :iteration
  AND logs_removed_at IS NULL;

-- name: last_builds
SELECT id
FROM builds
WHERE iteration_id = :iteration
ORDER BY id DESC
LIMIT :limit;

-- name: relink_reused
-- Who reused from a build that goes has the packages of that from which it took them.
UPDATE builds
SET reused_from = (SELECT r.reused_from FROM builds AS r WHERE r.id = builds.reused_from)
WHERE reused_from <> 0
  AND reused_from IN (SELECT value FROM json_each(:builds))
  AND id NOT IN (SELECT value FROM json_each(:builds));

-- name: remove_builds
DELETE FROM builds
WHERE id IN (SELECT value FROM json_each(:builds));

-- name: remove_events_of_iteration
DELETE FROM events
WHERE id IN (
    SELECT id
    FROM events
    WHERE iteration_id = :iteration
      AND iteration_id IS NOT NULL
    LIMIT :limit
);

-- name: remove_edges
-- Of a graph that no other iteration has.
DELETE FROM graph_edges
WHERE (graph_id, from_place, to_place) IN (
    SELECT
        e.graph_id,
        e.from_place,
        e.to_place
    FROM graph_edges AS e
    WHERE e.graph_id = :graph
      AND NOT EXISTS (SELECT 1 FROM iterations AS i WHERE i.graph_id = :graph AND i.deleted_at IS NULL)
    LIMIT :limit
);

-- name: remove_graph
DELETE FROM graphs
WHERE id = :graph
  AND NOT EXISTS (SELECT 1 FROM iterations AS i WHERE i.graph_id = :graph AND i.id <> :iteration);

-- name: remove_iteration
DELETE FROM iterations
WHERE id = :iteration
  AND deleted_at IS NOT NULL;

-- name: remove_events_of_buildspace
DELETE FROM events
WHERE id IN (
    SELECT id
    FROM events
    WHERE buildspace_id = :buildspace
    LIMIT :limit
);

-- name: remove_buildspace
DELETE FROM buildspaces
WHERE id = :buildspace
  AND deleted_at IS NOT NULL;

-- name: remove_old_events
-- Of what is in no iteration: of machines, and of buildspaces.
DELETE FROM events
WHERE id IN (
    SELECT id
    FROM events
    WHERE at < :before
      AND iteration_id IS NULL
    LIMIT :limit
);

-- name: gone_workers
-- Machines that a person drained, and those that the server gives no builds, stay.
SELECT name
FROM workers
WHERE last_seen < :before
  AND draining_since IS NULL
  AND set_aside = ''
ORDER BY name;

-- name: count_iterations
SELECT
    count(*) AS iterations,
    count(i.archived_at) AS archived
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE NOT s.hidden;

-- name: known_attempts
SELECT
    id,
    random
FROM attempts
WHERE id IN (SELECT value FROM json_each(:attempts));

-- name: known_repositories
SELECT
    s.name AS buildspace,
    i.number,
    i.files_left
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id;

-- name: iterations_after
-- When those after an iteration in its buildspace began, the next one first.
SELECT created_at
FROM iterations
WHERE buildspace_id = :buildspace
  AND number > :number
ORDER BY number
LIMIT :limit;

-- name: newest_archived
-- The newest iteration of a buildspace whose packages were removed and that has had some.
SELECT i.number
FROM buildspaces AS s
JOIN iterations AS i ON i.buildspace_id = s.id
WHERE s.name = :buildspace
  AND NOT s.hidden
  AND i.archived_at IS NOT NULL
  AND i.state <> 'invalid'
ORDER BY i.number DESC
LIMIT 1;

-- name: who_archived
-- The removal and its event, of the iteration or of its buildspace, have one time, which others
-- may have, too. The messages are those of RemoveIteration and RemoveBuildspace.
SELECT e.actor
FROM iterations AS i
JOIN events AS e ON e.iteration_id = i.id
WHERE i.id = :iteration
  AND e.kind = 'iteration'
  AND e.at = i.archived_at
  AND e.message LIKE 'Its packages and repositories were removed by %'
UNION ALL
SELECT e.actor
FROM iterations AS i
JOIN events AS e ON e.at = i.archived_at AND e.iteration_id IS NULL AND e.buildspace_id = i.buildspace_id
WHERE i.id = :iteration
  AND e.kind = 'buildspace'
  AND e.message LIKE 'Archived by %'
LIMIT 1;

-- name: shared_policy_began
-- When the migration that knows of ages of builds on the base alone, and of what was
-- installed, was applied.
SELECT applied_at
FROM schema_migrations
WHERE version = 38;

-- name: due_baselines
-- Iterations of builds on the base alone that ended long ago, whose machines have nothing of
-- them, and with which no failed build is compared in an iteration whose packages are kept.
SELECT i.id
FROM buildspaces AS s
JOIN iterations AS i ON i.buildspace_id = s.id
WHERE s.name = :name
  AND i.state NOT IN ('calculating', 'ready')
  AND i.created_at < :before
  AND NOT EXISTS (
    SELECT 1
    FROM builds AS b
    LEFT JOIN attempts AS a ON a.build_id = b.id
    WHERE b.iteration_id = i.id
      AND (
        b.repeat_of <> 0 -- a second build, see old_repeats
        OR b.status NOT IN ('built', 'failed', 'skipped')
        OR b.finished_at >= :before
        OR a.state <> 'finished'
        OR a.kept_until > :now
      )
  )
  AND NOT EXISTS (
    SELECT 1
    FROM builds AS b
    JOIN baselines AS l ON l.build_id = b.id
    JOIN comparisons AS c ON c.baseline_id = l.id AND c.baseline_id <> 0
    JOIN builds AS f ON f.id = c.build_id AND f.status = 'failed'
    JOIN iterations AS fi ON fi.id = f.iteration_id AND fi.archived_at IS NULL AND fi.deleted_at IS NULL
    WHERE b.iteration_id = i.id
  )
ORDER BY i.id
LIMIT :limit;

-- name: forget_baselines
DELETE FROM baselines
WHERE build_id IN (
    SELECT b.id
    FROM json_each(:iterations) AS k
    JOIN builds AS b ON b.iteration_id = k.value
);

-- name: delete_baselines
-- They have no repositories.
UPDATE iterations
SET deleted_at = :now,
    archived_at = coalesce(archived_at, :now),
    buildspace_id = :into,
    number = id,
    state = 'superseded'
WHERE id IN (SELECT value FROM json_each(:iterations))
  AND deleted_at IS NULL;

-- name: forgettable_installed
-- Attempts of which it need not be known any more what was installed: they ended long ago, the
-- packages of their iterations were removed, nothing of those was released, no other iteration
-- has packages of theirs, and they are not the last success of their pkgbase.
SELECT a.id
FROM attempts AS a
JOIN builds AS b ON b.id = a.build_id
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE a.installed_id <> 0
  AND a.state = 'finished'
  AND a.finished_at < :before
  AND i.archived_at IS NOT NULL
  AND NOT i.pinned
  AND NOT s.pinned
  AND NOT EXISTS (SELECT 1 FROM releases AS r WHERE r.iteration_id = i.id AND r.state IN ('released', 'withdrawn'))
  AND NOT EXISTS (
    SELECT 1
    FROM packages AS p
    JOIN builds AS o ON o.id = p.build_id
    JOIN iterations AS oi ON oi.id = o.iteration_id
    WHERE p.attempt_id = a.id
      AND oi.archived_at IS NULL
  )
  AND (
    a.outcome <> 'built'
    OR EXISTS (
        SELECT 1
        FROM ended_attempts AS e
        WHERE e.pkgbase = b.pkgbase
          AND e.architecture = b.architecture
          AND e.outcome = 'built'
          AND e.id > a.id
    )
  )
ORDER BY a.id
LIMIT :limit;

-- name: forget_installed
UPDATE attempts
SET installed_id = 0
WHERE id IN (SELECT value FROM json_each(:attempts));

-- name: unused_sets
-- Sets of installed packages that no attempt has.
SELECT s.id
FROM installed_sets AS s
WHERE NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.installed_id = s.id AND a.installed_id <> 0)
ORDER BY s.id
LIMIT :limit;

-- name: remove_unused_sets
DELETE FROM installed_sets
WHERE id IN (SELECT value FROM json_each(:sets))
  AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.installed_id = installed_sets.id AND a.installed_id <> 0);

-- name: newest_set
SELECT coalesce(max(id), 0)
FROM installed_sets;

-- name: unused_installed
-- Names with versions that no set has.
SELECT p.id
FROM installed_packages AS p
WHERE p.id NOT IN (
    SELECT k.value
    FROM installed_sets AS s
    CROSS JOIN json_each(s.packages) AS k
)
ORDER BY p.id
LIMIT :limit;

-- name: remove_unused_installed
-- Sets that came since it was found out may have them.
DELETE FROM installed_packages
WHERE id IN (SELECT value FROM json_each(:packages))
  AND id NOT IN (
    SELECT k.value
    FROM installed_sets AS s
    CROSS JOIN json_each(s.packages) AS k
    WHERE s.id > :newest
  );

-- name: unused_interfaces
-- Of package files that no build has and that were not released.
SELECT f.sha256
FROM interfaces AS f
WHERE NOT EXISTS (SELECT 1 FROM packages AS p WHERE p.sha256 = f.sha256)
  AND f.sha256 NOT IN (SELECT sha256 FROM release_files)
ORDER BY f.sha256
LIMIT :limit;

-- name: remove_unused_interfaces
DELETE FROM interfaces
WHERE sha256 IN (SELECT value FROM json_each(:digests))
  AND NOT EXISTS (SELECT 1 FROM packages AS p WHERE p.sha256 = interfaces.sha256)
  AND sha256 NOT IN (SELECT sha256 FROM release_files);

-- name: count_shared
SELECT
    (SELECT count(*) FROM baselines) AS baselines,
    (SELECT count(*) FROM installed_sets) AS sets,
    (SELECT count(*) FROM interfaces) AS interfaces;

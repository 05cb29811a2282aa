-- Targets, what is released into them, and the states that they had.

-- name: put_target
INSERT INTO targets (
    name,
    kind,
    path,
    after,
    configured
)
VALUES (
    :name,
    :kind,
    :path,
    :after,
    TRUE
)
ON CONFLICT (name) DO UPDATE
SET kind = EXCLUDED.kind,
    path = EXCLUDED.path,
    after = EXCLUDED.after,
    configured = TRUE;

-- name: retire_targets
-- What they had, and who released it, stays.
UPDATE targets
SET configured = FALSE
WHERE name NOT IN (SELECT value FROM json_each(:names));

-- name: targets
-- Those of today's settings, with what they show.
SELECT
    t.*,
    coalesce(g.packages, 0) AS packages,
    g.created_at AS since
FROM targets AS t
LEFT JOIN generations AS g ON g.target_id = t.id AND g.number = t.generation
WHERE t.configured
  AND (:name = '' OR t.name = :name)
ORDER BY t.id;

-- name: generations_of_target
SELECT *
FROM generations
WHERE target_id = :target
ORDER BY number DESC
LIMIT :limit;

-- name: generation
SELECT *
FROM generations
WHERE target_id = :target
  AND number = :number;

-- name: writing_generation
SELECT *
FROM generations
WHERE target_id = :target
  AND state = 'writing';

-- name: last_generation
SELECT coalesce(max(number), 0)
FROM generations
WHERE target_id = :target;

-- name: complete_generation
UPDATE generations
SET state = 'complete',
    digest = :digest,
    packages = :packages
WHERE id = :id
  AND state = 'writing';

-- name: show_generation
UPDATE targets
SET generation = :number
WHERE id = :target;

-- name: drop_generation
-- The one that is shown stays.
UPDATE generations
SET state = 'gone'
WHERE id = :id
  AND state <> 'gone'
  AND number <> (SELECT generation FROM targets WHERE id = target_id);

-- name: release
SELECT
    r.id,
    coalesce(r.iteration_id, 0) AS iteration_id,
    coalesce(r.from_id, 0) AS from_id,
    r.target_id,
    r.state,
    r.digest,
    r.base,
    r.generation,
    r.units,
    r.packages,
    r.proven,
    r.at_most,
    r.message,
    r.created_by,
    r.created_at,
    r.confirmed_by,
    r.confirmed_at,
    r.finished_at,
    t.name AS target,
    coalesce(f.name, '') AS from_target,
    coalesce(s.name, '') AS buildspace,
    coalesce(s.created_by, '') AS owner,
    coalesce(s.id, 0) AS buildspace_id,
    coalesce(i.number, 0) AS iteration
FROM releases AS r
JOIN targets AS t ON t.id = r.target_id
LEFT JOIN targets AS f ON f.id = r.from_id
LEFT JOIN iterations AS i ON i.id = r.iteration_id
LEFT JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE r.id = :id;

-- name: releases_in_state
-- Of one target, or with 0 of all; the oldest first: each is computed again on what the one
-- before has left.
SELECT
    r.id,
    coalesce(r.iteration_id, 0) AS iteration_id,
    coalesce(r.from_id, 0) AS from_id,
    r.target_id,
    r.state,
    r.digest,
    r.base,
    r.generation,
    r.units,
    r.packages,
    r.proven,
    r.at_most,
    r.message,
    r.created_by,
    r.created_at,
    r.confirmed_by,
    r.confirmed_at,
    r.finished_at,
    t.name AS target,
    coalesce(f.name, '') AS from_target,
    coalesce(s.name, '') AS buildspace,
    coalesce(s.created_by, '') AS owner,
    coalesce(s.id, 0) AS buildspace_id,
    coalesce(i.number, 0) AS iteration
FROM releases AS r
JOIN targets AS t ON t.id = r.target_id
LEFT JOIN targets AS f ON f.id = r.from_id
LEFT JOIN iterations AS i ON i.id = r.iteration_id
LEFT JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE r.state = :state
  AND (:target = 0 OR r.target_id = :target)
ORDER BY r.confirmed_at, r.id;

-- name: releases_of
-- The newest first, of an iteration or of a target.
SELECT
    r.id,
    coalesce(r.iteration_id, 0) AS iteration_id,
    coalesce(r.from_id, 0) AS from_id,
    r.target_id,
    r.state,
    r.digest,
    r.base,
    r.generation,
    r.units,
    r.packages,
    r.proven,
    r.at_most,
    r.message,
    r.created_by,
    r.created_at,
    r.confirmed_by,
    r.confirmed_at,
    r.finished_at,
    t.name AS target,
    coalesce(f.name, '') AS from_target,
    coalesce(s.name, '') AS buildspace,
    coalesce(s.created_by, '') AS owner,
    coalesce(s.id, 0) AS buildspace_id,
    coalesce(i.number, 0) AS iteration
FROM releases AS r
JOIN targets AS t ON t.id = r.target_id
LEFT JOIN targets AS f ON f.id = r.from_id
LEFT JOIN iterations AS i ON i.id = r.iteration_id
LEFT JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE (:iteration = 0 OR r.iteration_id = :iteration)
  AND (:target = 0 OR r.target_id = :target OR r.from_id = :target)
ORDER BY r.id DESC
LIMIT :limit;

-- name: same_release
-- Of the same iteration, or giving target, to the same target, that is on its way.
SELECT id
FROM releases
WHERE coalesce(iteration_id, 0) = :iteration
  AND coalesce(from_id, 0) = :from
  AND target_id = :target
  AND state IN ('signing', 'handing-over', 'waiting');

-- name: supersede_checked
-- What waits for a confirmation while another set of the same is asked for is given up.
UPDATE releases
SET state = 'withdrawn',
    message = 'Another set was released in its place.',
    finished_at = :now
WHERE coalesce(iteration_id, 0) = :iteration
  AND coalesce(from_id, 0) = :from
  AND target_id = :target
  AND state = 'checked';

-- name: confirm_release
-- Nobody's yes is taken for another set than the one that was shown.
UPDATE releases
SET state = 'handing-over',
    confirmed_by = :actor,
    confirmed_at = :now,
    message = ''
WHERE id = :id
  AND state = 'checked'
  AND digest = :digest;

-- name: recheck_release
UPDATE releases
SET state = 'checked',
    digest = :digest,
    base = :base,
    generation = :generation,
    units = :units,
    packages = :packages,
    proven = :proven,
    at_most = :at_most,
    message = :message,
    confirmed_by = '',
    confirmed_at = NULL
WHERE id = :id
  AND state IN ('handing-over', 'waiting');

-- name: end_release
-- The states from which it may come are those of buildbtw.ReleaseState.From.
UPDATE releases
SET state = :state,
    message = :message,
    finished_at = :now
WHERE id = :id
  AND state IN (SELECT value FROM json_each(:from));

-- name: release_units
SELECT *
FROM release_units
WHERE release_id = :id
ORDER BY pkgbase;

-- name: forget_release_units
DELETE FROM release_units
WHERE release_id = :id;

-- name: add_release_units
INSERT INTO release_units (
    release_id,
    pkgbase,
    goes,
    version,
    pkgnames,
    reason,
    build_id
)
SELECT
    :id,
    u.value ->> 'pkgbase',
    u.value ->> 'goes',
    u.value ->> 'version',
    u.value ->> 'pkgnames',
    u.value ->> 'reason',
    u.value ->> 'build'
FROM json_each(:units) AS u;

-- name: released_units
-- The newest release of each pkgbase to a target, with the changesets that it was built for.
SELECT
    u.pkgbase,
    u.version,
    u.build_id,
    EXISTS (
        SELECT 1
        FROM builds AS b
        JOIN iteration_changesets AS c ON c.iteration_id = b.iteration_id AND c.source = b.source
        WHERE b.id = u.build_id
    ) AS changeset
FROM release_units AS u
JOIN releases AS r ON r.id = u.release_id
WHERE r.target_id = :target
  AND r.state = 'released'
  AND u.goes
ORDER BY r.finished_at, r.id;

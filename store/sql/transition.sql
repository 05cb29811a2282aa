-- What follows from a change of a build's status. The change itself is composed in
-- transition.go, one UPDATE for each status to come from, so that its guard is exact.

-- name: last_event_id
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0);

-- name: iterations_of_builds
-- The ids of an iteration's builds are one range.
SELECT
    i.id,
    i.buildspace_id,
    max(b.id) AS last
FROM json_each(:builds) AS moved
CROSS JOIN builds AS b ON b.id = moved.value
CROSS JOIN iterations AS i ON i.id = b.iteration_id
GROUP BY i.id
ORDER BY last;

-- name: count_moves
-- Counting all builds of an iteration anew would take as long as the iteration is
-- large.
UPDATE build_counts AS c
SET builds = c.builds + CASE c.status WHEN :to THEN moved.n ELSE -moved.n END
FROM (
    SELECT
        b.iteration_id,
        count(*) AS n
    FROM json_each(:builds) AS k
    CROSS JOIN builds AS b ON b.id = k.value
    GROUP BY b.iteration_id
) AS moved
WHERE c.iteration_id = moved.iteration_id
  AND c.status IN (:from, :to);

-- name: begin_counts
INSERT INTO build_counts (
    iteration_id,
    status,
    builds
)
SELECT
    :iteration,
    s.value,
    (SELECT count(*) FROM builds AS b WHERE b.iteration_id = :iteration AND b.status = s.value)
FROM json_each(:statuses) AS s;

-- name: counts_of_iterations
SELECT
    c.iteration_id,
    c.status,
    c.builds
FROM json_each(:iterations) AS k
CROSS JOIN build_counts AS c ON c.iteration_id = k.value
WHERE c.builds > 0;

-- name: unpublished
-- Those of the builds that may be skipped. One whose packages are being published
-- or linked is left to end: half of them may be in the repositories already.
SELECT b.id
FROM json_each(:builds) AS k
CROSS JOIN builds AS b ON b.id = k.value
WHERE b.held <> 'linking'
  AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.build_id = b.id AND a.state = 'publishing');

-- name: hold
-- Why a pending build is not handed out although it waits for nothing
-- (buildbtw.Hold): the one place of these rules. One whose packages are being
-- linked stays as it is.
UPDATE builds
SET held = h.hold
FROM (
    SELECT
        p.id,
        CASE
            WHEN p.forced THEN ''
            WHEN s.reuse AND p.input_key <> '' AND EXISTS (
                SELECT 1
                FROM builds AS r
                WHERE r.input_key = p.input_key
                  AND r.input_key <> ''
                  AND r.status = 'built'
            ) THEN 'reuse'
            WHEN s.cut_off AND p.may_skip THEN 'decide'
            WHEN s.reuse AND p.input_key <> '' AND EXISTS (
                SELECT 1
                FROM builds AS r
                WHERE r.input_key = p.input_key
                  AND r.input_key <> ''
                  AND r.status IN ('scheduled', 'building')
            ) THEN 'running'
            ELSE ''
        END AS hold
    FROM builds AS p
    JOIN iterations AS i ON i.id = p.iteration_id
    JOIN buildspaces AS s ON s.id = i.buildspace_id
    WHERE p.id IN (SELECT value FROM json_each(:builds))
      AND p.status = 'pending'
      AND p.twin_of = 0
      AND p.held <> 'linking'
) AS h
WHERE builds.id = h.id
  AND builds.held <> h.hold
RETURNING
    id,
    held;

-- name: same_input
-- The builds themselves and all that have the input of one of them.
SELECT same.id
FROM json_each(:builds) AS k
CROSS JOIN builds AS b ON b.id = k.value
JOIN builds AS same ON same.input_key = b.input_key AND same.input_key <> ''
UNION
SELECT value
FROM json_each(:builds);

-- name: pending_of_buildspace
SELECT b.id
FROM iterations AS i
JOIN builds AS b ON b.iteration_id = i.id
WHERE i.buildspace_id = :buildspace
  AND i.state = 'ready'
  AND b.status = 'pending';

-- name: unwanted_runs
-- Runs that superseded iterations left to others, and that nobody waits for any
-- more: no held build of an iteration that goes on has their input.
SELECT b.id
FROM builds AS b
JOIN iterations AS i ON i.id = b.iteration_id
WHERE b.status IN ('scheduled', 'building')
  AND i.state = 'superseded'
  AND NOT EXISTS (
    SELECT 1
    FROM builds AS w
    JOIN iterations AS wi ON wi.id = w.iteration_id
    WHERE w.input_key = b.input_key
      AND w.input_key <> ''
      AND w.held = 'running'
      AND wi.state = 'ready'
  );

-- name: freed
-- The blocked builds that wait for nothing any more once these are satisfied. A twin
-- waits for the build that does its work as if an edge led there.
SELECT
    builds.id,
    builds.twin_of
FROM (
    SELECT
        id,
        count(*) AS n
    FROM (
        SELECT i.first_build + e.to_place AS id
        FROM json_each(:satisfied) AS k
        CROSS JOIN builds AS w ON w.id = k.value
        CROSS JOIN iterations AS i ON i.id = w.iteration_id
        CROSS JOIN graph_edges AS e ON e.graph_id = i.graph_id AND e.from_place = w.id - i.first_build
        UNION ALL
        SELECT id
        FROM builds
        WHERE twin_of <> 0
          AND twin_of IN (SELECT value FROM json_each(:satisfied))
    )
    GROUP BY id
) AS waits
CROSS JOIN builds ON builds.id = waits.id
WHERE builds.status = 'blocked'
  AND builds.waiting = waits.n
ORDER BY builds.id;

-- name: count_down
-- Lowers the count of all others that wait. Those that wait for nothing any more
-- get all that changes with them in one go.
UPDATE builds
SET waiting = waiting - waits.n
FROM (
    SELECT
        id,
        count(*) AS n
    FROM (
        SELECT i.first_build + e.to_place AS id
        FROM json_each(:satisfied) AS k
        CROSS JOIN builds AS w ON w.id = k.value
        CROSS JOIN iterations AS i ON i.id = w.iteration_id
        CROSS JOIN graph_edges AS e ON e.graph_id = i.graph_id AND e.from_place = w.id - i.first_build
        UNION ALL
        SELECT id
        FROM builds
        WHERE twin_of <> 0
          AND twin_of IN (SELECT value FROM json_each(:satisfied))
    )
    GROUP BY id
) AS waits
WHERE builds.id = waits.id
  AND NOT (builds.status = 'blocked' AND builds.waiting = waits.n);

-- name: leaders_of_twins
-- What became of the builds that do the work of these.
SELECT
    t.id,
    l.status
FROM json_each(:twins) AS k
CROSS JOIN builds AS t ON t.id = k.value
JOIN builds AS l ON l.id = t.twin_of
ORDER BY t.id;

-- name: recount_waiting
-- A dependency is no reason to wait when it is built, or skipped as unchanged:
-- Status.Satisfies in Go.
UPDATE builds
SET waiting = (
        SELECT count(*)
        FROM iterations AS i
        CROSS JOIN graph_edges AS e ON e.graph_id = i.graph_id AND e.to_place = builds.id - i.first_build
        CROSS JOIN builds AS d ON d.id = i.first_build + e.from_place
        WHERE i.id = builds.iteration_id
          AND NOT (d.status = 'built' OR d.status = 'skipped' AND d.skip_reason = 'unchanged')
    ) + (
        SELECT count(*)
        FROM builds AS d
        WHERE d.id = builds.twin_of
          AND NOT (d.status = 'built' OR d.status = 'skipped' AND d.skip_reason = 'unchanged')
    )
WHERE id IN (SELECT value FROM json_each(:builds));

-- name: resumable
-- Those of the builds that were skipped for a reason that may be taken back.
SELECT
    b.id,
    b.twin_of,
    b.waiting
FROM json_each(:builds) AS k
CROSS JOIN builds AS b ON b.id = k.value
WHERE b.status = 'skipped'
  AND b.skip_reason IN (SELECT value FROM json_each(:reasons))
ORDER BY b.id;

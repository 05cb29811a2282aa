-- Whose fault a failure is: comparisons of failed builds, and the builds on the base
-- alone that they wait for. A comparison is needed while its build has failed, in an
-- iteration that goes on, and has no verdict.

-- name: begin_comparison
-- After each failure by the package's own fault. The second one of a comparison, in the
-- attempt that was to show whether the build fails again, makes the base's turn.
INSERT INTO comparisons (
    build_id,
    asked,
    at
)
SELECT
    b.id,
    FALSE,
    :now
FROM builds AS b
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE b.id = :build
  AND b.baseline_id = 0
  AND (
    :by_itself AND s.baseline
    OR EXISTS (SELECT 1 FROM comparisons AS c WHERE c.build_id = b.id)
  )
ON CONFLICT (build_id) DO UPDATE
SET failed_again = again > 0 AND :number >= again;

-- name: ask_comparison
-- By a person. One that came to nothing begins anew with the base.
INSERT INTO comparisons (
    build_id,
    asked,
    at
)
VALUES (
    :build,
    TRUE,
    :now
)
ON CONFLICT (build_id) DO UPDATE
SET asked = TRUE,
    baseline_id = CASE message WHEN '' THEN baseline_id ELSE 0 END,
    message = '';

-- name: best_comparison
-- The build to hand out next for a comparison: a failed one, to be built once more, or
-- one on the base alone that is needed. First what a person asked for, then the oldest.
SELECT
    b.id,
    b.status
FROM comparisons AS c
JOIN builds AS f ON f.id = c.build_id AND f.status = 'failed' AND f.verdict = ''
JOIN iterations AS i ON i.id = f.iteration_id AND i.state = 'ready'
LEFT JOIN baselines AS l ON l.id = c.baseline_id
JOIN builds AS b ON b.id = CASE WHEN c.failed_again THEN l.build_id ELSE f.id END
WHERE c.message = ''
  AND b.architecture IN (SELECT value FROM json_each(:architectures))
  AND (
    NOT c.failed_again
    OR b.status = 'pending' AND (b.not_before IS NULL OR b.not_before <= :now)
  )
ORDER BY c.asked DESC, c.at, c.build_id
LIMIT 1;

-- name: count_comparing
-- How many of the slots that are busy build for comparisons.
SELECT
    coalesce(sum(b.baseline_id <> 0 OR EXISTS (
        SELECT 1
        FROM comparisons AS c
        WHERE c.build_id = b.id
          AND c.again = a.number
    )), 0) AS comparing,
    count(*) AS busy
FROM attempts AS a
JOIN builds AS b ON b.id = a.build_id
WHERE a.state <> 'finished';

-- name: begin_again
UPDATE comparisons
SET again = (SELECT b.attempts + 1 FROM builds AS b WHERE b.id = comparisons.build_id)
WHERE build_id = :build;

-- name: end_comparisons
-- Of builds that have left the status failed otherwise than to be built once more.
DELETE FROM comparisons
WHERE build_id IN (SELECT value FROM json_each(:builds))
  AND again <> (SELECT b.attempts + 1 FROM builds AS b WHERE b.id = comparisons.build_id);

-- name: passed_again
-- Whether the attempt that was built is the one that was to show whether the build
-- fails again.
DELETE FROM comparisons
WHERE build_id = :build
RETURNING again > 0 AND :number >= again;

-- name: comparison
SELECT
    c.*,
    coalesce(l.build_id, 0) AS baseline_build,
    l.base_at
FROM comparisons AS c
LEFT JOIN baselines AS l ON l.id = c.baseline_id
WHERE c.build_id = :build;

-- name: baseline_wanted
-- Failed twice, and not known yet what becomes of them on the base; also when the build on
-- it was ended because nobody needed it for a while.
SELECT c.build_id
FROM comparisons AS c
JOIN builds AS f ON f.id = c.build_id AND f.status = 'failed' AND f.verdict = ''
JOIN iterations AS i ON i.id = f.iteration_id AND i.state = 'ready'
LEFT JOIN baselines AS l ON l.id = c.baseline_id
LEFT JOIN builds AS b ON b.id = l.build_id
WHERE c.failed_again
  AND c.message = ''
  AND (b.id IS NULL OR b.status = 'skipped')
ORDER BY c.asked DESC, c.at, c.build_id
LIMIT :limit;

-- name: unneeded_baselines
-- Builds on the base alone that no comparison needs any more.
SELECT b.id
FROM iterations AS bi
JOIN buildspaces AS s ON s.id = bi.buildspace_id AND s.hidden
JOIN builds AS b ON b.iteration_id = bi.id AND b.status IN ('pending', 'building') AND b.repeat_of = 0
WHERE bi.state = 'ready'
  AND NOT EXISTS (
    SELECT 1
    FROM comparisons AS c
    JOIN builds AS f ON f.id = c.build_id AND f.status = 'failed' AND f.verdict = ''
    JOIN iterations AS i ON i.id = f.iteration_id AND i.state = 'ready'
    WHERE c.baseline_id = b.baseline_id
      AND c.message = ''
  );

-- name: hidden_buildspace
INSERT INTO buildspaces (
    name,
    status,
    scope,
    cycles,
    priority,
    reuse,
    cut_off,
    bump,
    baseline,
    hidden,
    created_by,
    created_at
)
VALUES (
    :name,
    'active',
    'none',
    'once',
    'low',
    FALSE,
    FALSE,
    FALSE,
    FALSE,
    TRUE,
    :actor,
    :now
)
ON CONFLICT (name) DO UPDATE
SET hidden = TRUE
RETURNING id;

-- name: baseline
SELECT
    id,
    build_id
FROM baselines
WHERE commit_id = :commit
  AND architecture = :architecture
  AND base_key = :base_key;

-- name: save_baseline
INSERT INTO baselines (
    commit_id,
    architecture,
    base_key,
    base_at,
    build_id
)
VALUES (
    :commit,
    :architecture,
    :base_key,
    :now,
    :build
)
ON CONFLICT (commit_id, architecture, base_key) DO UPDATE
SET base_at = EXCLUDED.base_at,
    build_id = EXCLUDED.build_id
RETURNING id;

-- name: mark_baseline
-- Nobody has the same input: the packages of builds on the base alone are nobody's.
UPDATE builds
SET baseline_id = :baseline,
    input_key = '',
    runtime_inputs = ''
WHERE id = :build;

-- name: compare_with
UPDATE comparisons
SET baseline_id = :baseline
WHERE build_id = :build;

-- name: ended_baselines
-- Builds on the base alone that have come to their end, with the dependencies that their
-- last attempt took for granted.
SELECT
    b.*,
    coalesce(a.not_checked, '[]') AS not_checked
FROM json_each(:builds) AS k
CROSS JOIN builds AS b ON b.id = k.value
LEFT JOIN attempts AS a ON a.build_id = b.id AND a.number = b.attempts
WHERE b.baseline_id <> 0
  AND b.status IN ('built', 'failed', 'skipped');

-- name: judge
-- The verdict about all builds that wait for a baseline, in all buildspaces.
UPDATE builds
SET verdict = :verdict
FROM comparisons AS c
WHERE c.build_id = builds.id
  AND c.baseline_id = :baseline
  AND c.failed_again
  AND builds.status = 'failed'
  AND builds.verdict = ''
RETURNING builds.id;

-- name: give_up_comparisons
UPDATE comparisons
SET message = :message
FROM builds AS b
WHERE b.id = comparisons.build_id
  AND b.status = 'failed'
  AND b.verdict = ''
  AND comparisons.baseline_id = :baseline
RETURNING build_id;

-- name: give_up_comparison
UPDATE comparisons
SET message = :message
WHERE build_id = :build
RETURNING build_id;

-- name: set_verdict
UPDATE builds
SET verdict = :verdict
WHERE id = :build;

-- name: end_baseline_iteration
UPDATE iterations
SET state = 'stopped'
WHERE id = :iteration;

-- name: count_verdicts
-- Failed builds and flaky ones, each by an index of its own: with OR all builds of the
-- iterations were read.
SELECT
    iteration_id,
    verdict,
    count(*) AS builds
FROM builds
WHERE iteration_id IN (SELECT value FROM json_each(:iterations))
  AND status = 'failed'
GROUP BY iteration_id, verdict
UNION ALL
SELECT
    iteration_id,
    verdict,
    count(*) AS builds
FROM builds
WHERE iteration_id IN (SELECT value FROM json_each(:iterations))
  AND verdict <> ''
  AND verdict = 'flaky'
  AND status = 'built'
GROUP BY iteration_id, verdict;

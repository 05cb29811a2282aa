-- Results of the checks of builds. A view is what the users of a target have.

-- name: unchecked_builds
-- Of one iteration, or of all that nothing takes the place of. A twin has the packages of the build
-- that it is a twin of, and its results.
SELECT b.id
FROM builds AS b
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE b.status = 'built'
  AND b.twin_of = 0
  AND NOT s.hidden
  AND (i.id = :iteration OR :iteration = 0 AND i.state <> 'superseded')
  AND b.architecture = :architecture
  AND NOT EXISTS (
      SELECT 1
      FROM checked_builds AS c
      WHERE c.build_id = b.id
        AND c.view = :view
        AND NOT c.stale
  )
ORDER BY b.id DESC
LIMIT :limit;

-- name: checked_in_view
-- What builds for an architecture were compared with, of iterations that nothing takes the place of.
SELECT
    c.build_id,
    c.view,
    c.before,
    c.stale
FROM checked_builds AS c
JOIN builds AS b ON b.id = c.build_id
JOIN iterations AS i ON i.id = b.iteration_id
WHERE c.view = :view
  AND NOT c.stale
  AND b.architecture = :architecture
  AND i.state <> 'superseded';

-- name: comparisons_of
SELECT
    b.id AS build_id,
    c.view,
    c.before,
    c.stale
FROM builds AS b
JOIN checked_builds AS c ON c.build_id = CASE b.twin_of WHEN 0 THEN b.id ELSE b.twin_of END
WHERE b.id IN (SELECT value FROM json_each(:builds))
  AND b.status = 'built';

-- name: checks_are_stale
UPDATE checked_builds
SET stale = TRUE
WHERE view = :view
  AND build_id IN (SELECT CASE twin_of WHEN 0 THEN id ELSE twin_of END FROM builds WHERE id IN (SELECT value FROM json_each(:builds)));

-- name: save_comparison
-- A build that is not built any more, or has other packages by now, has no results.
INSERT INTO checked_builds (
    build_id,
    view,
    before
)
SELECT
    b.id,
    :view,
    :before
FROM builds AS b
WHERE b.id = :build
  AND b.status = 'built'
  AND b.output_digest = :digest
ON CONFLICT (build_id, view) DO UPDATE
SET before = excluded.before,
    stale = FALSE;

-- name: forget_results
-- Of one view; and those that were found before there were views.
DELETE FROM check_results
WHERE build_id = :build
  AND view IN (:view, '');

-- name: save_check
INSERT INTO check_results (
    build_id,
    view,
    kind,
    outcome,
    detail
)
VALUES (
    :build,
    :view,
    :kind,
    :outcome,
    :detail
);

-- name: forget_checks
DELETE FROM check_results
WHERE build_id IN (SELECT value FROM json_each(:builds));

-- name: forget_comparisons
DELETE FROM checked_builds
WHERE build_id IN (SELECT value FROM json_each(:builds));

-- name: check_results
SELECT
    b.id AS build_id,
    r.view,
    r.kind,
    r.outcome,
    r.detail
FROM builds AS b
JOIN check_results AS r ON r.build_id = CASE b.twin_of WHEN 0 THEN b.id ELSE b.twin_of END
WHERE b.id IN (SELECT value FROM json_each(:builds))
  AND b.status = 'built'
ORDER BY b.id, r.view, r.kind;

-- name: note_namcap
INSERT INTO namcap_reports (
    attempt_id,
    lines
)
VALUES (
    :attempt,
    :lines
)
ON CONFLICT (attempt_id) DO UPDATE
SET lines = excluded.lines;

-- name: namcap_reports
-- Of the attempt that made the packages of each build; of a build whose machine had no namcap there is
-- none.
SELECT
    a.build_id,
    n.lines
FROM attempts AS a
JOIN namcap_reports AS n ON n.attempt_id = a.id
WHERE a.build_id IN (SELECT value FROM json_each(:builds))
  AND a.outcome = 'built'
  AND NOT EXISTS (
      SELECT 1
      FROM attempts AS later
      WHERE later.build_id = a.build_id
        AND later.outcome = 'built'
        AND later.number > a.number
  );

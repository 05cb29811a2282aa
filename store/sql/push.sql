-- Commits that were pushed, as iterations know them, and what came of each. There is no
-- table of pushes: the branches say where each source is now, and iterations where it was.

-- name: recent_changesets
-- The commits of the latest iterations: a search of all would take longer with every
-- iteration that was ever made.
SELECT
    c.source,
    c.ref,
    c.commit_id
FROM iteration_changesets AS c
JOIN iterations AS i ON i.id = c.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE c.iteration_id > (SELECT max(id) FROM iterations) - :iterations
  AND NOT s.hidden
GROUP BY c.source, c.ref, c.commit_id
ORDER BY max(c.iteration_id) DESC, c.source
LIMIT :limit;

-- name: iterations_of_commits
-- Those that have a changeset at one of the commits, the oldest first.
SELECT
    i.*,
    s.name AS buildspace,
    c.source,
    c.commit_id
FROM iteration_changesets AS c
JOIN iterations AS i ON i.id = c.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE c.iteration_id > (SELECT max(id) FROM iterations) - :iterations
  AND c.commit_id IN (SELECT value FROM json_each(:commits))
  AND NOT s.hidden
ORDER BY i.id, c.source
LIMIT :limit;

-- name: followers
-- Active buildspaces that a push to one of the sources makes a new iteration of.
SELECT
    s.name AS buildspace,
    c.source,
    c.ref
FROM changesets AS c
JOIN buildspaces AS s ON s.id = c.buildspace_id
WHERE s.status = 'active'
  AND NOT s.hidden
  AND c.source IN (SELECT value FROM json_each(:sources))
ORDER BY s.name, c.source
LIMIT :limit;

-- name: changesets_of_new_iterations
-- With the time at which each iteration was made, which is that of the event that tells of it.
SELECT
    c.iteration_id,
    i.created_at,
    c.source,
    c.ref,
    c.commit_id
FROM iteration_changesets AS c
JOIN iterations AS i ON i.id = c.iteration_id
WHERE c.iteration_id IN (SELECT value FROM json_each(:iterations))
ORDER BY c.iteration_id, c.source
LIMIT :limit;

-- name: project_paths
SELECT
    slug,
    path
FROM mirrored_projects
WHERE slug IN (SELECT value FROM json_each(:slugs))
ORDER BY id;

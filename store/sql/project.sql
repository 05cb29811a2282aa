-- Projects on GitLab that are sources, by group. Of several with one slug the one
-- that was found first is the source: there can be one of a name.

-- name: note_projects
-- :projects are arrays of id, slug, path, SSH URL, CI configuration, time of the
-- last push, and role that may set variables. What another group has found already stays with it.
INSERT INTO mirrored_projects (
    id,
    slug,
    path,
    ssh_url,
    ci_config_path,
    active_at,
    variables_role,
    group_name,
    next_at
)
SELECT
    value ->> 0,
    value ->> 1,
    value ->> 2,
    value ->> 3,
    value ->> 4,
    value ->> 5,
    value ->> 6,
    :group,
    :now
FROM json_each(:projects)
WHERE true
ON CONFLICT (id) DO UPDATE
SET slug = EXCLUDED.slug,
    path = EXCLUDED.path,
    ssh_url = EXCLUDED.ssh_url,
    ci_config_path = EXCLUDED.ci_config_path,
    active_at = EXCLUDED.active_at,
    variables_role = EXCLUDED.variables_role,
    missing_at = NULL,
    next_at = CASE
        WHEN mirrored_projects.active_at <> EXCLUDED.active_at
            OR mirrored_projects.path <> EXCLUDED.path
            OR mirrored_projects.missing_at IS NOT NULL
            THEN EXCLUDED.next_at
        ELSE mirrored_projects.next_at
    END
WHERE mirrored_projects.group_name = EXCLUDED.group_name
  AND (
    mirrored_projects.path,
    mirrored_projects.ssh_url,
    mirrored_projects.ci_config_path,
    mirrored_projects.active_at,
    mirrored_projects.variables_role,
    mirrored_projects.missing_at
  ) IS NOT (
    EXCLUDED.path,
    EXCLUDED.ssh_url,
    EXCLUDED.ci_config_path,
    EXCLUDED.active_at,
    EXCLUDED.variables_role,
    NULL
  );

-- name: project
SELECT *
FROM mirrored_projects
WHERE id = :project;

-- name: project_of_source
SELECT *
FROM mirrored_projects
WHERE slug = :slug
ORDER BY id
LIMIT 1;

-- name: due_projects
-- Those first that have waited longest.
SELECT *
FROM mirrored_projects AS p
WHERE group_name = :group
  AND next_at <= :now
  AND NOT EXISTS (SELECT 1 FROM mirrored_projects AS o WHERE o.slug = p.slug AND o.id < p.id)
ORDER BY next_at, id
LIMIT :limit;

-- name: missing_projects
SELECT *
FROM mirrored_projects
WHERE group_name = :group
  AND id NOT IN (SELECT value FROM json_each(:listed))
ORDER BY id;

-- name: projects_with_other_ci
-- Those for which setting it failed before come last.
SELECT *
FROM mirrored_projects
WHERE ci_config_path <> :path
   OR variables_role IN ('no_one_allowed', 'owner')
ORDER BY ci_message <> '', id
LIMIT :limit;

-- name: note_fetched
-- A push that was noticed meanwhile keeps the project due.
UPDATE mirrored_projects
SET fetched_at = :began,
    tried_at = :began,
    failures = 0,
    message = '',
    next_at = CASE WHEN active_at = :active_at AND path = :path THEN :next ELSE next_at END
WHERE id = :project;

-- name: note_fetch_failed
UPDATE mirrored_projects
SET tried_at = :began,
    failures = failures + 1,
    message = :message,
    next_at = CASE WHEN active_at = :active_at AND path = :path THEN :next ELSE next_at END
WHERE id = :project;

-- name: refetch_projects
-- What had been fetched is lost.
UPDATE mirrored_projects
SET fetched_at = NULL,
    tried_at = NULL,
    next_at = :now
WHERE group_name = :group
  AND missing_at IS NULL;

-- name: unfill_group
UPDATE source_groups
SET filled_at = NULL
WHERE name = :group;

-- name: note_missing
UPDATE mirrored_projects
SET missing_at = coalesce(missing_at, :now),
    message = :message,
    next_at = NULL
WHERE id = :project;

-- name: note_ci_config
UPDATE mirrored_projects
SET ci_config_path = :path,
    variables_role = :role,
    ci_message = :message
WHERE id = :project;

-- name: remove_project
DELETE FROM mirrored_projects
WHERE id = :project;

-- name: remove_other_groups
DELETE FROM source_groups
WHERE name NOT IN (SELECT value FROM json_each(:names));

-- name: add_groups
INSERT INTO source_groups (name)
SELECT value
FROM json_each(:names)
WHERE true
ON CONFLICT (name) DO NOTHING;

-- name: source_group
SELECT *
FROM source_groups
WHERE name = :name;

-- name: source_groups
SELECT
    g.*,
    count(p.id) AS projects,
    count(p.fetched_at) AS fetched,
    count(p.id) FILTER (
        WHERE p.tried_at IS NULL
          AND NOT EXISTS (SELECT 1 FROM mirrored_projects AS o WHERE o.slug = p.slug AND o.id < p.id)
    ) AS untried,
    count(p.id) FILTER (
        WHERE p.message <> ''
           OR EXISTS (SELECT 1 FROM mirrored_projects AS o WHERE o.slug = p.slug AND o.id < p.id)
    ) AS broken
FROM source_groups AS g
LEFT JOIN mirrored_projects AS p ON p.group_name = g.name
GROUP BY g.name
ORDER BY g.name;

-- name: broken_projects
SELECT
    p.slug,
    p.message
FROM mirrored_projects AS p
WHERE p.group_name = :group
  AND p.message <> ''
UNION ALL
SELECT
    p.slug,
    'projects ' || o.path || ' and ' || p.path || ' would be the same source; rename one of them'
FROM mirrored_projects AS p
JOIN mirrored_projects AS o ON o.slug = p.slug AND o.id < p.id
WHERE p.group_name = :group;

-- name: slugs_of_group
SELECT DISTINCT slug
FROM mirrored_projects
WHERE group_name = :group;

-- name: note_group_answered
UPDATE source_groups
SET message = '',
    asked_at = :now
WHERE name = :name;

-- name: note_group_failed
UPDATE source_groups
SET message = :message
WHERE name = :name;

-- name: note_group_listed
UPDATE source_groups
SET listed_at = :now
WHERE name = :name;

-- name: note_group_fetched
UPDATE source_groups
SET filled_at = coalesce(filled_at, :now),
    seen_until = :until
WHERE name = :name;

-- name: note_hook
-- Not more than one write a minute.
UPDATE source_groups
SET hook_at = :now
WHERE name = :name
  AND (hook_at IS NULL OR hook_at < :before);

-- Settings and troubles of a real GitLab.

-- The least role that may set variables of a project's pipelines: GitLab's word,
-- "no_one_allowed" stops every pipeline. Empty: not known.
ALTER TABLE mirrored_projects ADD COLUMN variables_role TEXT NOT NULL DEFAULT '';

-- GitLab may lose a push's activity, and its webhook: every project is fetched once a day
-- regardless. Those that were fetched are spread over the first day.
UPDATE mirrored_projects
SET next_at = strftime('%Y-%m-%d %H:%M:%S+00:00', 'now', '+' || (id % 1440) || ' minutes')
WHERE next_at IS NULL
  AND missing_at IS NULL
  AND fetched_at IS NOT NULL;

ALTER TABLE source_groups ADD COLUMN hook_at TIMESTAMP; -- when a webhook came last; to the minute

-- How often, and when last, GitLab was asked to cancel a pipeline.
ALTER TABLE pipelines ADD COLUMN cancels INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pipelines ADD COLUMN cancelled_at TIMESTAMP;

-- When a project was first missing from its group's list, without GitLab saying
-- why: it may be gone, or the token may see less than before.
ALTER TABLE mirrored_projects ADD COLUMN missing_at TIMESTAMP;

-- Sources that are projects on a GitLab.

CREATE TABLE source_groups (
    name       TEXT PRIMARY KEY,
    seen_until TIMESTAMP,
    listed_at  TIMESTAMP,
    filled_at  TIMESTAMP,
    asked_at   TIMESTAMP,
    message    TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

CREATE TABLE mirrored_projects (
    id             INTEGER PRIMARY KEY,
    group_name     TEXT NOT NULL REFERENCES source_groups (name) ON DELETE CASCADE,
    slug           TEXT NOT NULL,
    path           TEXT NOT NULL,
    ssh_url        TEXT NOT NULL,
    ci_config_path TEXT NOT NULL,
    active_at      TIMESTAMP NOT NULL,
    next_at        TIMESTAMP,
    fetched_at     TIMESTAMP,
    tried_at       TIMESTAMP,
    failures       INTEGER NOT NULL DEFAULT 0,
    message        TEXT NOT NULL DEFAULT '',
    ci_message     TEXT NOT NULL DEFAULT ''
);

-- "What is to be fetched?"
CREATE INDEX mirrored_projects_due ON mirrored_projects (group_name, next_at) WHERE next_at IS NOT NULL;

-- "Where is the source?", "which projects want the same name?"
CREATE INDEX mirrored_projects_slug ON mirrored_projects (slug, id);

-- "What cannot be mirrored?"
CREATE INDEX mirrored_projects_broken ON mirrored_projects (group_name) WHERE message <> '';

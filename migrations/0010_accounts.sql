-- Who may do what: people, their sessions, tokens of people and programs, and the
-- record of what they did. Of secrets only hashes are kept.

CREATE TABLE accounts (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    issuer       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    name         TEXT NOT NULL UNIQUE CHECK (name <> ''),
    role         TEXT NOT NULL CHECK (role IN ('', 'reader', 'packager', 'admin')),
    role_until   TIMESTAMP,
    refresh      BLOB,
    created_at   TIMESTAMP NOT NULL,
    signed_in_at TIMESTAMP NOT NULL,
    checked_at   TIMESTAMP NOT NULL,
    UNIQUE (issuer, subject)
);

CREATE TABLE sessions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    hash         BLOB NOT NULL UNIQUE,
    account_id   INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at   TIMESTAMP NOT NULL,
    last_used_at TIMESTAMP NOT NULL,
    user_agent   TEXT NOT NULL,
    address      TEXT NOT NULL
);

CREATE INDEX sessions_account ON sessions (account_id);

CREATE TABLE tokens (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    hash           BLOB NOT NULL UNIQUE,
    kind           TEXT NOT NULL CHECK (kind IN ('person', 'bot', 'worker')),
    name           TEXT NOT NULL CHECK (name <> ''),
    account_id     INTEGER REFERENCES accounts (id) ON DELETE CASCADE,
    role           TEXT NOT NULL CHECK (role IN ('reader', 'packager', 'admin', 'worker')),
    architectures  TEXT NOT NULL CHECK (json_valid(architectures)),
    labels         TEXT NOT NULL CHECK (json_valid(labels)),
    created_by     TEXT NOT NULL,
    created_at     TIMESTAMP NOT NULL,
    expires_at     TIMESTAMP,
    revoked_at     TIMESTAMP,
    last_used_at   TIMESTAMP,
    last_used_from TEXT NOT NULL DEFAULT '',
    CHECK ((kind = 'person') = (account_id IS NOT NULL)),
    CHECK ((kind = 'worker') = (role = 'worker'))
);

-- "Is there one of this name already?" A revoked token's name is free again.
CREATE UNIQUE INDEX tokens_name ON tokens (kind, name, coalesce(account_id, 0)) WHERE revoked_at IS NULL;

CREATE TABLE audit_entries (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      TIMESTAMP NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    object  TEXT NOT NULL,
    address TEXT NOT NULL,
    detail  TEXT NOT NULL
);

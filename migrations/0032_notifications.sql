-- Messages about the turns of buildspaces, to the channels of the server and of people.

-- Up to which event the turns are known. What happened before there were notifications
-- is no news.
CREATE TABLE turn_cursor (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    event_id INTEGER NOT NULL
);

INSERT INTO turn_cursor (id, event_id)
SELECT 1, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0);

-- What is known of the turns of an iteration.
CREATE TABLE turn_states (
    iteration_id INTEGER PRIMARY KEY REFERENCES iterations (id) ON DELETE CASCADE,
    event_id     INTEGER NOT NULL, -- the latest of the iteration that was looked at
    failed       BOOLEAN NOT NULL, -- its first failure is known
    done         BOOLEAN NOT NULL, -- it is all built
    dones        INTEGER NOT NULL, -- how often it became so
    halted_at    TIMESTAMP, -- since when nothing can go on
    blocked      BOOLEAN NOT NULL, -- that this takes long is known
    halts        INTEGER NOT NULL -- how often that was so
);

CREATE INDEX turn_states_halted ON turn_states (halted_at) WHERE halted_at IS NOT NULL AND NOT blocked;

INSERT INTO turn_states (iteration_id, event_id, failed, done, dones, blocked, halts)
SELECT
    i.id,
    0,
    EXISTS (SELECT 1 FROM build_counts AS c WHERE c.iteration_id = i.id AND c.status = 'failed' AND c.builds > 0),
    NOT EXISTS (SELECT 1 FROM build_counts AS c WHERE c.iteration_id = i.id AND c.status NOT IN ('built', 'skipped') AND c.builds > 0),
    1,
    FALSE,
    0
FROM iterations AS i
WHERE i.state = 'ready';

CREATE TABLE turns (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    buildspace_id INTEGER NOT NULL REFERENCES buildspaces (id) ON DELETE CASCADE,
    iteration_id  INTEGER NOT NULL REFERENCES iterations (id) ON DELETE CASCADE,
    kind          TEXT NOT NULL CHECK (kind IN ('failed', 'blocked', 'done', 'released', 'withdrawn')),
    number        INTEGER NOT NULL, -- distinguishes turns of one kind of an iteration
    at            TIMESTAMP NOT NULL,
    words         TEXT NOT NULL,
    told_at       TIMESTAMP, -- when its message was put into the outbox
    UNIQUE (iteration_id, kind, number)
);

CREATE INDEX turns_untold ON turns (buildspace_id, id) WHERE told_at IS NULL;

-- Where people want their messages.
CREATE TABLE channels (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id   INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    kind         TEXT NOT NULL CHECK (kind IN ('webhook', 'mail')),
    address      TEXT NOT NULL CHECK (address <> ''), -- a URL may contain a secret
    secret       TEXT NOT NULL DEFAULT '', -- with which a webhook is signed, or that confirms an address
    created_at   TIMESTAMP NOT NULL,
    confirmed_at TIMESTAMP, -- nothing but the code is sent before
    UNIQUE (account_id, kind, address)
);

-- Who follows which buildspace. Without a row its creator follows it, and nobody else.
CREATE TABLE follows (
    account_id    INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    buildspace_id INTEGER NOT NULL REFERENCES buildspaces (id) ON DELETE CASCADE,
    choice        TEXT NOT NULL CHECK (choice IN ('follow', 'mute')),
    PRIMARY KEY (account_id, buildspace_id)
) WITHOUT ROWID;

CREATE INDEX follows_buildspace ON follows (buildspace_id);

-- The outbox: a message to a channel.
CREATE TABLE deliveries (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id    TEXT NOT NULL UNIQUE, -- by which the receiver recognizes a message that comes twice
    channel       TEXT NOT NULL, -- name of the server's channel, or 'user:' and channel_id
    channel_id    INTEGER REFERENCES channels (id) ON DELETE CASCADE,
    buildspace_id INTEGER REFERENCES buildspaces (id) ON DELETE CASCADE, -- of a test none
    message       TEXT NOT NULL CHECK (json_valid(message)),
    status        TEXT NOT NULL CHECK (status IN ('waiting', 'delivered', 'given-up')),
    tries         INTEGER NOT NULL DEFAULT 0,
    created_at    TIMESTAMP NOT NULL,
    next_at       TIMESTAMP NOT NULL, -- of a waiting one: it is tried then
    ended_at      TIMESTAMP,
    error         TEXT NOT NULL DEFAULT '' -- of the last try
);

CREATE INDEX deliveries_waiting ON deliveries (channel, buildspace_id, id) WHERE status = 'waiting';

CREATE INDEX deliveries_channel ON deliveries (channel, id);

-- What the migrations result in. Made by: go test ./store -run Schema -update

CREATE TABLE schema_migrations (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at TIMESTAMP NOT NULL
);

CREATE TABLE buildspaces (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL UNIQUE,
    status        TEXT NOT NULL CHECK (status IN ('active', 'stopped')),
    scope         TEXT NOT NULL CHECK (scope IN ('none', 'direct', 'all', 'auto')),
    cycles        TEXT NOT NULL CHECK (cycles IN ('once', 'twice')),
    priority      TEXT NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'emergency')),
    follow_all    BOOLEAN NOT NULL DEFAULT FALSE,
    makedepends   BOOLEAN NOT NULL DEFAULT FALSE,
    architectures TEXT NOT NULL DEFAULT '[]',
    exclude       TEXT NOT NULL DEFAULT '[]',
    add_pkgbases  TEXT NOT NULL DEFAULT '[]',
    created_by    TEXT NOT NULL,
    created_at    TIMESTAMP NOT NULL,
    wanted        TEXT NOT NULL DEFAULT '',
    wanted_text   TEXT NOT NULL DEFAULT '',
    wanted_at     TIMESTAMP,
    revision      INTEGER NOT NULL DEFAULT 0
, reuse BOOLEAN NOT NULL DEFAULT TRUE, cut_off BOOLEAN NOT NULL DEFAULT TRUE, served_at TIMESTAMP, lost TEXT NOT NULL DEFAULT '', follow_fixes BOOLEAN NOT NULL DEFAULT FALSE, bump BOOLEAN NOT NULL DEFAULT FALSE, baseline BOOLEAN NOT NULL DEFAULT TRUE, hidden BOOLEAN NOT NULL DEFAULT FALSE, pinned BOOLEAN NOT NULL DEFAULT FALSE, deleted_at TIMESTAMP);

CREATE TABLE changesets (
    buildspace_id INTEGER NOT NULL REFERENCES buildspaces (id) ON DELETE CASCADE,
    source        TEXT NOT NULL,
    ref           TEXT NOT NULL,
    PRIMARY KEY (buildspace_id, source)
) WITHOUT ROWID;

CREATE TABLE iterations (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    buildspace_id INTEGER NOT NULL REFERENCES buildspaces (id) ON DELETE CASCADE,
    number        INTEGER NOT NULL CHECK (number > 0),
    state         TEXT NOT NULL CHECK (state IN ('calculating', 'ready', 'invalid', 'stopped', 'superseded')),
    reason        TEXT NOT NULL,
    reason_text   TEXT NOT NULL DEFAULT '',
    error         TEXT NOT NULL DEFAULT '',
    created_at    TIMESTAMP NOT NULL, plan_digest TEXT NOT NULL DEFAULT '', graph_id INTEGER NOT NULL DEFAULT 0, first_build INTEGER NOT NULL DEFAULT 0, pinned BOOLEAN NOT NULL DEFAULT FALSE, archived_at TIMESTAMP, logs_removed_at TIMESTAMP, deleted_at TIMESTAMP, files_left TEXT NOT NULL DEFAULT '',
    UNIQUE (buildspace_id, number)
);

CREATE INDEX iterations_ready ON iterations (buildspace_id) WHERE state = 'ready';

CREATE TABLE iteration_changesets (
    iteration_id INTEGER NOT NULL REFERENCES iterations (id) ON DELETE CASCADE,
    source       TEXT NOT NULL,
    ref          TEXT NOT NULL,
    commit_id    TEXT NOT NULL,
    PRIMARY KEY (iteration_id, source)
) WITHOUT ROWID;

CREATE TABLE iteration_warnings (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    iteration_id INTEGER NOT NULL REFERENCES iterations (id) ON DELETE CASCADE,
    kind         TEXT NOT NULL,
    source       TEXT NOT NULL DEFAULT '',
    message      TEXT NOT NULL
);

CREATE INDEX iteration_warnings_iteration ON iteration_warnings (iteration_id);

CREATE TABLE builds (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    iteration_id INTEGER NOT NULL REFERENCES iterations (id) ON DELETE CASCADE,
    architecture TEXT NOT NULL,
    pkgbase      TEXT NOT NULL,
    source       TEXT NOT NULL,
    commit_id    TEXT NOT NULL,
    version      TEXT NOT NULL,
    stage        INTEGER NOT NULL DEFAULT 1 CHECK (stage IN (1, 2)),
    no_check     BOOLEAN NOT NULL DEFAULT FALSE,
    level        INTEGER NOT NULL DEFAULT 0,
    pkgnames     TEXT NOT NULL DEFAULT '[]',
    reason       TEXT NOT NULL,
    twin_of      INTEGER NOT NULL DEFAULT 0, -- a build of the same iteration
    priority     REAL NOT NULL DEFAULT 0,
    status       TEXT NOT NULL CHECK (status IN ('blocked', 'pending', 'scheduled', 'building', 'built', 'failed', 'skipped')),
    skip_reason  TEXT NOT NULL DEFAULT '' CHECK (skip_reason IN ('', 'stopped', 'superseded', 'unchanged', 'excluded', 'cancelled')),
    waiting      INTEGER NOT NULL DEFAULT 0 CHECK (waiting >= 0),
    attempts     INTEGER NOT NULL DEFAULT 0,
    retries      INTEGER NOT NULL DEFAULT 0,
    not_before   TIMESTAMP,
    changed_at   TIMESTAMP NOT NULL,
    started_at   TIMESTAMP,
    finished_at  TIMESTAMP, input_key TEXT NOT NULL DEFAULT '', output_digest TEXT NOT NULL DEFAULT '', held TEXT NOT NULL DEFAULT '' CHECK (held IN ('', 'reuse', 'linking', 'decide', 'running')), may_skip BOOLEAN NOT NULL DEFAULT FALSE, forced BOOLEAN NOT NULL DEFAULT FALSE, reused_from INTEGER NOT NULL DEFAULT 0, not_owned TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(not_owned)), base_inputs TEXT NOT NULL DEFAULT '', base_package TEXT NOT NULL DEFAULT '', runtime_inputs TEXT NOT NULL DEFAULT '', verdict TEXT NOT NULL DEFAULT '' CHECK (verdict IN ('', 'yours', 'already-broken', 'flaky', 'infrastructure')), baseline_id INTEGER NOT NULL DEFAULT 0, repeat_of INTEGER NOT NULL DEFAULT 0,
    CHECK ((status = 'skipped') = (skip_reason <> '')),
    UNIQUE (iteration_id, architecture, pkgbase, stage)
);

CREATE INDEX builds_paused ON builds (not_before) WHERE status = 'pending' AND not_before IS NOT NULL;

CREATE INDEX builds_running ON builds (iteration_id) WHERE status IN ('scheduled', 'building');

CREATE INDEX builds_status ON builds (iteration_id, status);

CREATE INDEX builds_pkgbase ON builds (pkgbase);

CREATE INDEX builds_twin ON builds (twin_of) WHERE twin_of <> 0;

CREATE TABLE attempts (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    build_id     INTEGER NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    number       INTEGER NOT NULL,
    worker       TEXT NOT NULL,
    slot         INTEGER NOT NULL DEFAULT 0,
    runner       TEXT NOT NULL DEFAULT '',
    lease        TEXT NOT NULL UNIQUE,
    state        TEXT NOT NULL CHECK (state IN ('running', 'publishing', 'finished')),
    outcome      TEXT NOT NULL DEFAULT '' CHECK (outcome IN ('', 'built', 'failed', 'infrastructure', 'lost', 'timed-out', 'stalled', 'cancelled', 'released')),
    message      TEXT NOT NULL DEFAULT '',
    result       TEXT NOT NULL DEFAULT '',
    stop         BOOLEAN NOT NULL DEFAULT FALSE,
    deadline     TIMESTAMP NOT NULL,
    started_at   TIMESTAMP NOT NULL,
    heartbeat_at TIMESTAMP NOT NULL,
    finished_at  TIMESTAMP, input_key TEXT NOT NULL DEFAULT '', random TEXT NOT NULL DEFAULT '' CHECK (random NOT GLOB '*[^0-9a-f]*'), holder TEXT NOT NULL DEFAULT '', blameless BOOLEAN NOT NULL DEFAULT FALSE, not_checked TEXT NOT NULL DEFAULT '[]', error_line INTEGER NOT NULL DEFAULT 0, error_text TEXT NOT NULL DEFAULT '', installed_id INTEGER NOT NULL DEFAULT 0, memory INTEGER NOT NULL DEFAULT 0 CHECK (memory >= 0), kept_until TIMESTAMP,
    UNIQUE (build_id, number),
    CHECK ((state = 'running') = (outcome = '')),
    CHECK ((state = 'finished') = (finished_at IS NOT NULL))
);

CREATE UNIQUE INDEX attempts_one_running ON attempts (build_id) WHERE state <> 'finished';

CREATE UNIQUE INDEX attempts_one_per_slot ON attempts (worker, slot) WHERE state = 'running';

CREATE INDEX attempts_publishing ON attempts (id) WHERE state = 'publishing';

CREATE INDEX attempts_deadline ON attempts (deadline) WHERE state = 'running';

CREATE TABLE workers (
    name          TEXT PRIMARY KEY,
    architectures TEXT NOT NULL,
    runners       TEXT NOT NULL,
    labels        TEXT NOT NULL DEFAULT '[]',
    version       TEXT NOT NULL DEFAULT '',
    first_seen    TIMESTAMP NOT NULL,
    last_seen     TIMESTAMP NOT NULL,
    set_aside     TEXT NOT NULL DEFAULT ''
, trusted_at TIMESTAMP, secret_hash TEXT NOT NULL DEFAULT '' CHECK (length(secret_hash) IN (0, 64)), instance TEXT NOT NULL DEFAULT '', address TEXT NOT NULL DEFAULT '', connected_at TIMESTAMP, draining_since TIMESTAMP, load REAL NOT NULL DEFAULT 0, cores INTEGER NOT NULL DEFAULT 0, memory_total INTEGER NOT NULL DEFAULT 0, memory_free INTEGER NOT NULL DEFAULT 0, disk_total INTEGER NOT NULL DEFAULT 0, disk_free INTEGER NOT NULL DEFAULT 0, measured_at TIMESTAMP) WITHOUT ROWID;

CREATE TABLE events (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    at            TIMESTAMP NOT NULL,
    actor         TEXT NOT NULL,
    buildspace_id INTEGER REFERENCES buildspaces (id) ON DELETE CASCADE,
    iteration_id  INTEGER REFERENCES iterations (id) ON DELETE CASCADE,
    build_id      INTEGER REFERENCES builds (id) ON DELETE CASCADE,
    kind          TEXT NOT NULL CHECK (kind IN ('build', 'iteration', 'release', 'buildspace', 'worker')),
    from_status   TEXT NOT NULL DEFAULT '',
    to_status     TEXT NOT NULL DEFAULT '',
    cause         TEXT NOT NULL DEFAULT '',
    message       TEXT NOT NULL DEFAULT ''
, builds INTEGER NOT NULL DEFAULT 1 CHECK (builds > 0), build_ranges TEXT NOT NULL DEFAULT '' CHECK (build_ranges = '' OR json_valid(build_ranges)));

CREATE INDEX events_buildspace ON events (buildspace_id, id);

CREATE INDEX events_build ON events (build_id, id) WHERE build_id IS NOT NULL;

CREATE INDEX builds_key ON builds (input_key) WHERE input_key <> '';

CREATE INDEX builds_held ON builds (held, id) WHERE held <> '';

CREATE INDEX builds_pending ON builds (iteration_id, architecture, priority DESC, id) WHERE status = 'pending' AND twin_of = 0 AND held = '';

CREATE TABLE "packages" (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    build_id     INTEGER NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    attempt_id   INTEGER NOT NULL, -- which made it; not always one of build_id
    pkgname      TEXT NOT NULL,
    version      TEXT NOT NULL,
    architecture TEXT NOT NULL,
    filename     TEXT NOT NULL,
    sha256       TEXT NOT NULL CHECK (length(sha256) = 64),
    size         INTEGER NOT NULL,
    published    BOOLEAN NOT NULL DEFAULT FALSE,
    created_at   TIMESTAMP NOT NULL,
    UNIQUE (build_id, attempt_id, filename)
);

CREATE INDEX packages_pkgname ON packages (pkgname);

CREATE TABLE interfaces (
    sha256    TEXT PRIMARY KEY CHECK (length(sha256) = 64),
    interface TEXT NOT NULL -- alpm.Interface as JSON
) WITHOUT ROWID;

CREATE INDEX attempts_worker ON attempts (worker, finished_at) WHERE state = 'finished';

CREATE TABLE durations (
    pkgbase      TEXT NOT NULL,
    architecture TEXT NOT NULL,
    seconds      REAL NOT NULL CHECK (seconds > 0),
    recent       TEXT NOT NULL, -- a JSON array, oldest first
    learned_at   TIMESTAMP NOT NULL,
    PRIMARY KEY (pkgbase, architecture)
) WITHOUT ROWID;

CREATE TABLE pipelines (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    build_id   INTEGER NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    state      TEXT NOT NULL CHECK (state IN ('creating', 'created', 'ended')),
    project_id INTEGER NOT NULL,
    project    TEXT NOT NULL,
    ref        TEXT NOT NULL UNIQUE,
    number     INTEGER NOT NULL DEFAULT 0,
    status     TEXT NOT NULL DEFAULT '',
    url        TEXT NOT NULL DEFAULT '',
    attempt_id INTEGER NOT NULL DEFAULT 0,
    job        INTEGER NOT NULL DEFAULT 0,
    message    TEXT NOT NULL DEFAULT '',
    pinned     BOOLEAN NOT NULL DEFAULT TRUE, -- ref may be in GitLab
    created_at TIMESTAMP NOT NULL,
    seen_at    TIMESTAMP,
    ended_at   TIMESTAMP, cancels INTEGER NOT NULL DEFAULT 0, cancelled_at TIMESTAMP,
    CHECK ((state = 'ended') = (ended_at IS NOT NULL))
);

CREATE INDEX pipelines_build ON pipelines (build_id, id);

CREATE INDEX pipelines_open ON pipelines (id) WHERE state <> 'ended';

CREATE INDEX pipelines_pinned ON pipelines (id) WHERE state = 'ended' AND pinned;

CREATE INDEX pipelines_number ON pipelines (number) WHERE number <> 0;

CREATE TABLE source_groups (
    name       TEXT PRIMARY KEY,
    seen_until TIMESTAMP,
    listed_at  TIMESTAMP,
    filled_at  TIMESTAMP,
    asked_at   TIMESTAMP,
    message    TEXT NOT NULL DEFAULT ''
, hook_at TIMESTAMP) WITHOUT ROWID;

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
, missing_at TIMESTAMP, variables_role TEXT NOT NULL DEFAULT '');

CREATE INDEX mirrored_projects_due ON mirrored_projects (group_name, next_at) WHERE next_at IS NOT NULL;

CREATE INDEX mirrored_projects_slug ON mirrored_projects (slug, id);

CREATE INDEX mirrored_projects_broken ON mirrored_projects (group_name) WHERE message <> '';

CREATE TABLE build_counts (
    iteration_id INTEGER NOT NULL REFERENCES iterations (id) ON DELETE CASCADE,
    status       TEXT NOT NULL CHECK (status IN ('blocked', 'pending', 'scheduled', 'building', 'built', 'failed', 'skipped')),
    builds       INTEGER NOT NULL CHECK (builds >= 0),
    PRIMARY KEY (iteration_id, status)
) WITHOUT ROWID;

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

CREATE TABLE latest_repositories (
    buildspace_id INTEGER PRIMARY KEY REFERENCES buildspaces (id) ON DELETE CASCADE,
    iteration     INTEGER NOT NULL, -- its number
    previous      INTEGER NOT NULL, -- the number of the one before; 0 for none
    since         TIMESTAMP NOT NULL
);

CREATE TABLE graphs (
    id     INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE -- of edges and cuts
);

CREATE TABLE graph_edges (
    graph_id   INTEGER NOT NULL REFERENCES graphs (id) ON DELETE CASCADE,
    from_place INTEGER NOT NULL CHECK (from_place >= 0),
    to_place   INTEGER NOT NULL CHECK (to_place >= 0),
    kinds      INTEGER NOT NULL CHECK (kinds BETWEEN 1 AND 7),
    through    TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (graph_id, from_place, to_place),
    CHECK (from_place <> to_place)
) WITHOUT ROWID;

CREATE INDEX graph_edges_to ON graph_edges (graph_id, to_place);

CREATE TABLE graph_cuts (
    graph_id   INTEGER NOT NULL REFERENCES graphs (id) ON DELETE CASCADE,
    from_place INTEGER NOT NULL CHECK (from_place >= 0),
    to_place   INTEGER NOT NULL CHECK (to_place >= 0),
    kinds      INTEGER NOT NULL CHECK (kinds BETWEEN 1 AND 7),
    cycle      TEXT NOT NULL,
    PRIMARY KEY (graph_id, from_place, to_place)
) WITHOUT ROWID;

CREATE INDEX graph_cuts_to ON graph_cuts (graph_id, to_place);

CREATE INDEX events_of_many ON events (iteration_id, id) WHERE build_ranges <> '';

CREATE TABLE bumps (
    commit_id     TEXT PRIMARY KEY,
    source_commit TEXT NOT NULL,
    bumped_from   TEXT NOT NULL, -- the source's version
    version       TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX bumps_source ON bumps (source_commit);

CREATE TABLE taken_versions (
    pkgbase       TEXT NOT NULL,
    architecture  TEXT NOT NULL,
    version       TEXT NOT NULL,
    buildspace_id INTEGER NOT NULL REFERENCES buildspaces (id) ON DELETE CASCADE,
    input         TEXT NOT NULL,
    PRIMARY KEY (pkgbase, architecture, version, buildspace_id)
) WITHOUT ROWID;

CREATE INDEX taken_versions_buildspace ON taken_versions (buildspace_id);

CREATE INDEX builds_verdict ON builds (iteration_id, verdict) WHERE verdict <> '';

CREATE TABLE baselines (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    commit_id    TEXT NOT NULL,
    architecture TEXT NOT NULL,
    base_key     TEXT NOT NULL, -- a digest of the base's packages that it is built with
    base_at      TIMESTAMP NOT NULL, -- when the base was read
    build_id     INTEGER NOT NULL REFERENCES builds (id), -- the latest on the base alone
    UNIQUE (commit_id, architecture, base_key)
);

CREATE INDEX baselines_build ON baselines (build_id);

CREATE TABLE comparisons (
    build_id     INTEGER PRIMARY KEY REFERENCES builds (id) ON DELETE CASCADE,
    asked        BOOLEAN NOT NULL, -- by a person: it goes first
    again        INTEGER NOT NULL DEFAULT 0, -- number of the attempt that builds it once more; 0: not begun
    failed_again BOOLEAN NOT NULL DEFAULT FALSE,
    baseline_id  INTEGER NOT NULL DEFAULT 0, -- 0: not known yet
    message      TEXT NOT NULL DEFAULT '', -- why there will be no verdict
    at           TIMESTAMP NOT NULL
);

CREATE INDEX comparisons_baseline ON comparisons (baseline_id) WHERE baseline_id <> 0;

CREATE TABLE installed_packages (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    version TEXT NOT NULL,
    UNIQUE (name, version)
);

CREATE TABLE installed_sets (
    id       INTEGER PRIMARY KEY,
    digest   TEXT NOT NULL UNIQUE, -- of its names and versions
    packages TEXT NOT NULL CHECK (json_valid(packages)) -- ids of installed_packages, ascending
);

CREATE VIEW ended_attempts AS
SELECT
    a.id,
    a.build_id,
    a.number,
    a.outcome,
    a.finished_at,
    a.installed_id,
    b.pkgbase,
    b.architecture,
    b.iteration_id,
    s.name AS buildspace,
    i.number AS iteration,
    coalesce(m.source_commit, b.commit_id) AS commit_id
FROM builds AS b
JOIN attempts AS a ON a.build_id = b.id
JOIN iterations AS i ON i.id = b.iteration_id
JOIN buildspaces AS s ON s.id = i.buildspace_id
LEFT JOIN bumps AS m ON m.commit_id = b.commit_id
WHERE a.state = 'finished'
  AND a.outcome IN ('built', 'failed', 'timed-out', 'stalled')
  AND NOT s.hidden;

CREATE TABLE targets (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL CHECK (kind IN ('served', 'directory', 'pkgctl')),
    path       TEXT NOT NULL,
    after      TEXT NOT NULL, -- name of the target that stands behind it; '': only the base does
    configured BOOLEAN NOT NULL, -- in the settings with which the server runs
    generation INTEGER NOT NULL DEFAULT 0 -- number of the one that is shown; 0: none yet
);

CREATE TABLE releases (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    target_id    INTEGER NOT NULL REFERENCES targets (id),
    state        TEXT NOT NULL CHECK (state IN ('checked', 'signing', 'handing-over', 'waiting', 'released', 'failed', 'withdrawn')),
    digest       TEXT NOT NULL, -- of the set: pkgbases, versions and files
    base         TEXT NOT NULL, -- digest of the base repositories that it was computed against
    generation   INTEGER NOT NULL, -- number of the target's generation that it was computed against
    units        INTEGER NOT NULL, -- pkgbases that go
    packages     INTEGER NOT NULL, -- package files that go
    proven       BOOLEAN NOT NULL,
    at_most      INTEGER NOT NULL,
    message      TEXT NOT NULL DEFAULT '',
    created_by   TEXT NOT NULL,
    created_at   TIMESTAMP NOT NULL,
    confirmed_by TEXT NOT NULL DEFAULT '',
    confirmed_at TIMESTAMP,
    finished_at  TIMESTAMP
, iteration_id INTEGER REFERENCES iterations (id) ON DELETE CASCADE, from_id INTEGER REFERENCES targets (id) CHECK ((from_id IS NULL) <> (iteration_id IS NULL)));

CREATE INDEX releases_target ON releases (target_id, id);

CREATE INDEX releases_unfinished ON releases (id) WHERE state = 'handing-over';

CREATE TABLE release_units (
    release_id INTEGER NOT NULL REFERENCES releases (id) ON DELETE CASCADE,
    pkgbase    TEXT NOT NULL,
    goes       BOOLEAN NOT NULL,
    version    TEXT NOT NULL,
    pkgnames   TEXT NOT NULL, -- a JSON array
    reason     TEXT NOT NULL, -- why it is held; '' when it goes
    build_id   INTEGER NOT NULL,
    PRIMARY KEY (release_id, pkgbase)
) WITHOUT ROWID;

CREATE TABLE generations (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    target_id  INTEGER NOT NULL REFERENCES targets (id),
    number     INTEGER NOT NULL CHECK (number > 0),
    parent     INTEGER NOT NULL, -- number of the one to which withdrawing goes back; 0: none
    state      TEXT NOT NULL CHECK (state IN ('writing', 'complete', 'gone')),
    release_id INTEGER NOT NULL, -- whose packages it shows as the latest; 0: none
    undoes     INTEGER NOT NULL, -- the release that it withdraws; 0: none
    digest     TEXT NOT NULL DEFAULT '', -- of its files
    packages   INTEGER NOT NULL DEFAULT 0, -- files, of all architectures
    created_by TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (target_id, number)
);

CREATE UNIQUE INDEX generations_writing ON generations (target_id) WHERE state = 'writing';

CREATE TABLE waivers (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    buildspace_id INTEGER NOT NULL REFERENCES buildspaces (id) ON DELETE CASCADE,
    kind          TEXT NOT NULL CHECK (kind IN ('break', 'drop', 'hold', 'together')),
    name          TEXT NOT NULL,
    other         TEXT NOT NULL DEFAULT '' CHECK ((other <> '') = (kind = 'together')),
    reason        TEXT NOT NULL CHECK (reason <> ''),
    by            TEXT NOT NULL,
    at            TIMESTAMP NOT NULL,
    UNIQUE (buildspace_id, kind, name, other)
);

CREATE TABLE signatures (
    file_sha256 TEXT NOT NULL,
    key         TEXT NOT NULL, -- fingerprint of the key, or subkey, that made it
    signature   BLOB NOT NULL, -- an OpenPGP packet
    by          TEXT NOT NULL,
    at          TIMESTAMP NOT NULL,
    PRIMARY KEY (file_sha256, key)
) WITHOUT ROWID;

CREATE TABLE signing_files (
    release_id INTEGER NOT NULL REFERENCES releases (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    size       INTEGER NOT NULL,
    state      BLOB NOT NULL,
    PRIMARY KEY (release_id, name)
) WITHOUT ROWID;

CREATE INDEX signing_files_sha256 ON signing_files (sha256);

CREATE INDEX iterations_files_left ON iterations (id) WHERE files_left <> '';

CREATE INDEX iterations_deleted ON iterations (id) WHERE deleted_at IS NOT NULL;

CREATE INDEX events_iteration ON events (iteration_id) WHERE iteration_id IS NOT NULL;

CREATE INDEX events_alone ON events (at) WHERE iteration_id IS NULL;

CREATE INDEX packages_attempt ON packages (attempt_id);

CREATE INDEX builds_reused ON builds (reused_from) WHERE reused_from <> 0;

CREATE TABLE turn_cursor (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    event_id INTEGER NOT NULL
);

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

CREATE TABLE follows (
    account_id    INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    buildspace_id INTEGER NOT NULL REFERENCES buildspaces (id) ON DELETE CASCADE,
    choice        TEXT NOT NULL CHECK (choice IN ('follow', 'mute')),
    PRIMARY KEY (account_id, buildspace_id)
) WITHOUT ROWID;

CREATE INDEX follows_buildspace ON follows (buildspace_id);

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

CREATE INDEX releases_iteration ON releases (iteration_id);

CREATE TABLE release_files (
    release_id   INTEGER NOT NULL REFERENCES releases (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    pkgbase      TEXT NOT NULL,
    pkgname      TEXT NOT NULL,
    version      TEXT NOT NULL,
    architecture TEXT NOT NULL, -- of the package; 'any' for all
    repository   TEXT NOT NULL, -- that receives it
    sha256       TEXT NOT NULL,
    size         INTEGER NOT NULL,
    build_id     INTEGER NOT NULL,
    PRIMARY KEY (release_id, name)
) WITHOUT ROWID;

CREATE INDEX releases_waiting ON releases (id) WHERE state = 'waiting';

CREATE INDEX builds_repeat ON builds (repeat_of) WHERE repeat_of <> 0;

CREATE INDEX builds_output ON builds (output_digest) WHERE output_digest <> '';

CREATE TABLE repeats (
    input_key     TEXT PRIMARY KEY,
    output_digest TEXT NOT NULL, -- of the packages that were built first
    first_id      INTEGER NOT NULL, -- the build that made them
    second_id     INTEGER NOT NULL, -- the latest second build; 0: it was stopped before its end, and may be begun again
    stopped       INTEGER NOT NULL DEFAULT 0, -- how often that happened
    result        TEXT NOT NULL DEFAULT '' CHECK (result IN ('', 'reproducible', 'differs', 'unknown')),
    detail        TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(detail)), -- what differs, or why it cannot be said: lines
    at            TIMESTAMP NOT NULL
) WITHOUT ROWID;

CREATE INDEX repeats_output ON repeats (output_digest);

CREATE INDEX repeats_second ON repeats (second_id) WHERE second_id <> 0;

CREATE INDEX repeats_open ON repeats (at) WHERE result = '';

CREATE TABLE objects (
    key        TEXT NOT NULL PRIMARY KEY, -- in the bucket, below the server's prefix
    bytes      INTEGER NOT NULL,
    sha256     TEXT NOT NULL,              -- empty when it was found in the bucket without one
    text_bytes INTEGER NOT NULL,           -- of a log before it was compressed
    moved_at   TIMESTAMP NOT NULL,
    missing    BOOLEAN NOT NULL DEFAULT FALSE -- not in the bucket when that was last compared
) WITHOUT ROWID;

CREATE INDEX objects_missing ON objects (key) WHERE missing;

CREATE TABLE object_owner (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    name TEXT NOT NULL
);

CREATE INDEX attempts_installed ON attempts (installed_id) WHERE installed_id <> 0;

CREATE INDEX packages_sha256 ON packages (sha256);

CREATE TABLE checked_builds (
    build_id INTEGER NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    view     TEXT NOT NULL, -- the target whose users are meant; empty: they have the base repositories only
    before   TEXT NOT NULL CHECK (json_valid(before)), -- by pkgname: the package that they had
    stale    BOOLEAN NOT NULL DEFAULT FALSE, -- they have another one by now
    PRIMARY KEY (build_id, view)
) WITHOUT ROWID;

CREATE TABLE check_results (
    build_id INTEGER NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    view     TEXT NOT NULL, -- as in checked_builds
    kind     TEXT NOT NULL,
    outcome  TEXT NOT NULL CHECK (outcome IN ('ok', 'found', 'unknown')),
    detail   TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(detail)), -- lines that differ
    PRIMARY KEY (build_id, view, kind)
) WITHOUT ROWID;

CREATE TABLE namcap_reports (
    attempt_id INTEGER PRIMARY KEY REFERENCES attempts (id) ON DELETE CASCADE,
    lines      TEXT NOT NULL CHECK (json_valid(lines))
);

-- What is kept, and for how long.

-- Of a pinned buildspace, or iteration, nothing is ever removed.
ALTER TABLE buildspaces ADD COLUMN pinned BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE iterations ADD COLUMN pinned BOOLEAN NOT NULL DEFAULT FALSE;

-- Since when the packages of an iteration are not kept any more, and since when its logs
-- are not. NULL: they are.
ALTER TABLE iterations ADD COLUMN archived_at TIMESTAMP;
ALTER TABLE iterations ADD COLUMN logs_removed_at TIMESTAMP;

-- Since when all of it is being removed: its files first, then its rows.
ALTER TABLE iterations ADD COLUMN deleted_at TIMESTAMP;
ALTER TABLE buildspaces ADD COLUMN deleted_at TIMESTAMP;

-- Name of the repository whose files are still to be removed; empty for none.
ALTER TABLE iterations ADD COLUMN files_left TEXT NOT NULL DEFAULT '';
CREATE INDEX iterations_files_left ON iterations (id) WHERE files_left <> '';
CREATE INDEX iterations_deleted ON iterations (id) WHERE deleted_at IS NOT NULL;

-- Without these, removing an iteration looks through all events, packages and builds.
CREATE INDEX events_iteration ON events (iteration_id) WHERE iteration_id IS NOT NULL;
CREATE INDEX events_alone ON events (at) WHERE iteration_id IS NULL;
CREATE INDEX packages_attempt ON packages (attempt_id);
CREATE INDEX builds_reused ON builds (reused_from) WHERE reused_from <> 0;

-- Files that were moved to object storage. A row is made when the object was read back and before
-- the file goes from the disk, and goes after the object: it may outlive what the file belongs to.
CREATE TABLE objects (
    key        TEXT NOT NULL PRIMARY KEY, -- in the bucket, below the server's prefix
    bytes      INTEGER NOT NULL,
    sha256     TEXT NOT NULL,              -- empty when it was found in the bucket without one
    text_bytes INTEGER NOT NULL,           -- of a log before it was compressed
    moved_at   TIMESTAMP NOT NULL,
    missing    BOOLEAN NOT NULL DEFAULT FALSE -- not in the bucket when that was last compared
) WITHOUT ROWID;

CREATE INDEX objects_missing ON objects (key) WHERE missing;

-- The name by which this database marks the bucket as its own; one row.
CREATE TABLE object_owner (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    name TEXT NOT NULL
);

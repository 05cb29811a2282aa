-- Whether a push to the source of a failed build makes it a changeset.
ALTER TABLE buildspaces ADD COLUMN follow_fixes BOOLEAN NOT NULL DEFAULT FALSE;

-- The first line of a failed attempt's log that tells of its error, and its number; 0
-- when there is none, and for attempts that ended before this was stored.
ALTER TABLE attempts ADD COLUMN error_line INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN error_text TEXT NOT NULL DEFAULT '';

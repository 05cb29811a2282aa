-- Changesets whose source or ref is gone, as written, separated by a comma and a
-- blank: their going and coming back are events.
ALTER TABLE buildspaces ADD COLUMN lost TEXT NOT NULL DEFAULT '';

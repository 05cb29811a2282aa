-- Pkgnames that two pkgbases make: those that are not published from a build, with
-- the pkgbase whose package is. What was planned before publishes all it makes.
ALTER TABLE builds ADD COLUMN not_owned TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(not_owned));

-- Stands in for the migration of targets, which another branch has. Not to be merged.
SELECT 1;

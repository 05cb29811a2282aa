-- What a build is made with besides its direct dependencies in the iteration: the
-- interfaces of the base's packages, and what is installed with its dependencies.
-- Empty for builds from before: nothing is known of theirs, and their input keys
-- stay as they are.

ALTER TABLE builds ADD COLUMN base_inputs TEXT NOT NULL DEFAULT '';
ALTER TABLE builds ADD COLUMN base_package TEXT NOT NULL DEFAULT '';
ALTER TABLE builds ADD COLUMN runtime_inputs TEXT NOT NULL DEFAULT '';

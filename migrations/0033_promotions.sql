-- A release may take what another target has, whatever buildspaces it came from: then it has
-- a giving target in place of an iteration.
DROP INDEX releases_iteration;

ALTER TABLE releases ADD COLUMN of_iteration INTEGER REFERENCES iterations (id) ON DELETE CASCADE;

UPDATE releases
SET of_iteration = iteration_id;

ALTER TABLE releases DROP COLUMN iteration_id;

ALTER TABLE releases RENAME COLUMN of_iteration TO iteration_id;

ALTER TABLE releases ADD COLUMN from_id INTEGER REFERENCES targets (id) CHECK ((from_id IS NULL) <> (iteration_id IS NULL));

CREATE INDEX releases_iteration ON releases (iteration_id);

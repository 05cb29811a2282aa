-- A change of many builds of an iteration at once is one row: it stands for as many
-- events as builds, the last of which has the row's id. The builds, in order, are
-- those of the ranges: a JSON array of [first, last]. What was recorded before has a
-- row for each build, and stays so.
ALTER TABLE events ADD COLUMN builds INTEGER NOT NULL DEFAULT 1 CHECK (builds > 0);
ALTER TABLE events ADD COLUMN build_ranges TEXT NOT NULL DEFAULT '' CHECK (build_ranges = '' OR json_valid(build_ranges));

CREATE INDEX events_of_many ON events (iteration_id, id) WHERE build_ranges <> '';

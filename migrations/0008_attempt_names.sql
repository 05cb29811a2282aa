-- Logs and uploads are named by the attempt's id and by what never comes back: ids
-- begin anew when the database is thrown away, and are given again after an older
-- backup was restored. Attempts of before keep the names that they have.
ALTER TABLE attempts ADD COLUMN random TEXT NOT NULL DEFAULT '' CHECK (random NOT GLOB '*[^0-9a-f]*');

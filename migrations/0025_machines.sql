-- What a worker last reported of its machine, and when; NULL when it never did. Sizes are
-- in bytes.
ALTER TABLE workers ADD COLUMN load REAL NOT NULL DEFAULT 0;
ALTER TABLE workers ADD COLUMN cores INTEGER NOT NULL DEFAULT 0;
ALTER TABLE workers ADD COLUMN memory_total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE workers ADD COLUMN memory_free INTEGER NOT NULL DEFAULT 0;
ALTER TABLE workers ADD COLUMN disk_total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE workers ADD COLUMN disk_free INTEGER NOT NULL DEFAULT 0;
ALTER TABLE workers ADD COLUMN measured_at TIMESTAMP;

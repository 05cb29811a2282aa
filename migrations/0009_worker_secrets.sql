-- By what a worker of a name is known again: the SHA-256 of a secret that it keeps
-- in its work directory, which directory on which machine that is, and from where
-- and since when it claims. A worker of before has no secret; its first claim
-- with one binds the name to it.
ALTER TABLE workers ADD COLUMN secret_hash TEXT NOT NULL DEFAULT '' CHECK (length(secret_hash) IN (0, 64));
ALTER TABLE workers ADD COLUMN instance TEXT NOT NULL DEFAULT '';
ALTER TABLE workers ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE workers ADD COLUMN connected_at TIMESTAMP;

-- Whose token claimed the attempt: nobody else's may touch it. Empty for one of
-- before, which whoever has the lease may.
ALTER TABLE attempts ADD COLUMN holder TEXT NOT NULL DEFAULT '';

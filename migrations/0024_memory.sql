-- How much memory the largest process of an attempt had, in bytes; 0 when that is not
-- known, as of attempts that ended before this was stored.
ALTER TABLE attempts ADD COLUMN memory INTEGER NOT NULL DEFAULT 0 CHECK (memory >= 0);

-- Until when the worker keeps the directories of an attempt that failed, for a shell.
ALTER TABLE attempts ADD COLUMN kept_until TIMESTAMP;

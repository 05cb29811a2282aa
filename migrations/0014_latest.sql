-- What /repo/latest/NAME/ serves: which iteration, and from when on. Last-Modified
-- of its databases is never before since, so that it rises when the iteration changes.
CREATE TABLE latest_repositories (
    buildspace_id INTEGER PRIMARY KEY REFERENCES buildspaces (id) ON DELETE CASCADE,
    iteration     INTEGER NOT NULL, -- its number
    previous      INTEGER NOT NULL, -- the number of the one before; 0 for none
    since         TIMESTAMP NOT NULL
);

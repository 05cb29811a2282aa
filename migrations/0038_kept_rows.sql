-- Rows that others share are removed with the last of them: without these, finding out looks
-- through all attempts and packages.
CREATE INDEX attempts_installed ON attempts (installed_id) WHERE installed_id <> 0;
CREATE INDEX packages_sha256 ON packages (sha256);

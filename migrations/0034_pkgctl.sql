-- Targets whose packages a packager hands to the dbscripts of a distribution. Their releases
-- wait until the repositories show the packages.
--
-- Only the words of two CHECKs change, which the rows that are there meet already. To make the
-- tables anew would drop the rows that refer to them, so their definition is changed in place,
-- as https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes",
-- describes it. The new table lets other connections read the definitions again.
PRAGMA writable_schema = ON;

UPDATE sqlite_schema
SET sql = replace(sql, 'kind IN (''served'', ''directory'')', 'kind IN (''served'', ''directory'', ''pkgctl'')')
WHERE type = 'table'
  AND name = 'targets';

UPDATE sqlite_schema
SET sql = replace(sql, '''signing'', ''handing-over'', ''released''', '''signing'', ''handing-over'', ''waiting'', ''released''')
WHERE type = 'table'
  AND name = 'releases';

PRAGMA writable_schema = RESET;

-- The files of a release that waits for the repositories, and afterwards of what they showed.
CREATE TABLE release_files (
    release_id   INTEGER NOT NULL REFERENCES releases (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    pkgbase      TEXT NOT NULL,
    pkgname      TEXT NOT NULL,
    version      TEXT NOT NULL,
    architecture TEXT NOT NULL, -- of the package; 'any' for all
    repository   TEXT NOT NULL, -- that receives it
    sha256       TEXT NOT NULL,
    size         INTEGER NOT NULL,
    build_id     INTEGER NOT NULL,
    PRIMARY KEY (release_id, name)
) WITHOUT ROWID;

CREATE INDEX releases_waiting ON releases (id) WHERE state = 'waiting';

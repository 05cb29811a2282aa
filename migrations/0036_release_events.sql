-- Events of releases have a kind of their own. Only the words of a CHECK change, as in 0034.
PRAGMA writable_schema = ON;

UPDATE sqlite_schema
SET sql = replace(sql, '''build'', ''iteration'', ''buildspace''', '''build'', ''iteration'', ''release'', ''buildspace''')
WHERE type = 'table'
  AND name = 'events';

PRAGMA writable_schema = RESET;

-- Until now they were events of iterations. Their messages begin with the id of the release,
-- and those of no others do.
UPDATE events
SET kind = 'release'
WHERE kind = 'iteration'
  AND build_id IS NULL
  AND (message GLOB 'Release [0-9]*: *' OR message GLOB 'Release [0-9]* to *')
  AND CAST(substr(message, length('Release ') + 1) AS INTEGER) IN (SELECT id FROM releases);

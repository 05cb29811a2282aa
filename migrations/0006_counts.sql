-- The number of builds by status, for pages: kept by every change of a status,
-- in the same transaction. Every iteration with builds has a row per status.
CREATE TABLE build_counts (
    iteration_id INTEGER NOT NULL REFERENCES iterations (id) ON DELETE CASCADE,
    status       TEXT NOT NULL CHECK (status IN ('blocked', 'pending', 'scheduled', 'building', 'built', 'failed', 'skipped')),
    builds       INTEGER NOT NULL CHECK (builds >= 0),
    PRIMARY KEY (iteration_id, status)
) WITHOUT ROWID;

INSERT INTO build_counts (iteration_id, status, builds)
SELECT i.iteration_id, s.value, (SELECT count(*) FROM builds AS b WHERE b.iteration_id = i.iteration_id AND b.status = s.value)
FROM (SELECT DISTINCT iteration_id FROM builds) AS i
CROSS JOIN json_each('["blocked", "pending", "scheduled", "building", "built", "failed", "skipped"]') AS s;

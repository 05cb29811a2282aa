-- The graph of an iteration, stored once for all iterations that have the same. Builds
-- are named by their places, from 0 in the order of the plan: place p is build
-- first_build + p of the iteration.
CREATE TABLE graphs (
    id     INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE -- of edges and cuts
);

CREATE TABLE graph_edges (
    graph_id   INTEGER NOT NULL REFERENCES graphs (id) ON DELETE CASCADE,
    from_place INTEGER NOT NULL CHECK (from_place >= 0),
    to_place   INTEGER NOT NULL CHECK (to_place >= 0),
    kinds      INTEGER NOT NULL CHECK (kinds BETWEEN 1 AND 7),
    through    TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (graph_id, from_place, to_place),
    CHECK (from_place <> to_place)
) WITHOUT ROWID;

CREATE INDEX graph_edges_to ON graph_edges (graph_id, to_place);

CREATE TABLE graph_cuts (
    graph_id   INTEGER NOT NULL REFERENCES graphs (id) ON DELETE CASCADE,
    from_place INTEGER NOT NULL CHECK (from_place >= 0),
    to_place   INTEGER NOT NULL CHECK (to_place >= 0),
    kinds      INTEGER NOT NULL CHECK (kinds BETWEEN 1 AND 7),
    cycle      TEXT NOT NULL,
    PRIMARY KEY (graph_id, from_place, to_place)
) WITHOUT ROWID;

CREATE INDEX graph_cuts_to ON graph_cuts (graph_id, to_place);

ALTER TABLE iterations ADD COLUMN graph_id INTEGER NOT NULL DEFAULT 0; -- of graphs; 0 without builds
ALTER TABLE iterations ADD COLUMN first_build INTEGER NOT NULL DEFAULT 0;

-- Iterations of before keep a graph of their own each.
UPDATE iterations
SET graph_id = id,
    first_build = (SELECT min(b.id) FROM builds AS b WHERE b.iteration_id = iterations.id)
WHERE EXISTS (SELECT 1 FROM builds AS b WHERE b.iteration_id = iterations.id);

INSERT INTO graphs (id, digest)
SELECT id, 'iteration ' || id FROM iterations WHERE graph_id <> 0;

INSERT INTO graph_edges (graph_id, from_place, to_place, kinds, through)
SELECT i.graph_id, e.from_build - i.first_build, e.to_build - i.first_build, e.kinds, e.through
FROM edges AS e
JOIN builds AS b ON b.id = e.from_build
JOIN iterations AS i ON i.id = b.iteration_id;

INSERT INTO graph_cuts (graph_id, from_place, to_place, kinds, cycle)
SELECT i.graph_id, c.from_build - i.first_build, c.to_build - i.first_build, c.kinds, c.cycle
FROM cuts AS c
JOIN builds AS b ON b.id = c.from_build
JOIN iterations AS i ON i.id = b.iteration_id;

DROP TABLE edges;
DROP TABLE cuts;

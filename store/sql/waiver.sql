-- Waivers of buildspaces.

-- name: waivers
SELECT *
FROM waivers
WHERE buildspace_id = (SELECT id FROM buildspaces WHERE name = :buildspace AND NOT hidden)
ORDER BY id;

-- name: remove_waiver
DELETE FROM waivers
WHERE id = :id
  AND buildspace_id = :buildspace;

-- name: waivers_of_target
-- Of the buildspaces whose packages were released to a target.
SELECT w.*
FROM waivers AS w
WHERE w.buildspace_id IN (
    SELECT i.buildspace_id
    FROM releases AS r
    JOIN iterations AS i ON i.id = r.iteration_id
    WHERE r.target_id = :target
      AND r.state = 'released'
)
ORDER BY w.id;

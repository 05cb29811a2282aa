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

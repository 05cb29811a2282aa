-- What metrics are made of. Each scrape runs these, so none goes through all builds.

-- name: builds_by_status
-- Of the latest iterations of active buildspaces.
SELECT
    c.status,
    sum(c.builds) AS builds
FROM buildspaces AS s
JOIN build_counts AS c ON c.iteration_id = (SELECT max(i.id) FROM iterations AS i WHERE i.buildspace_id = s.id)
WHERE s.status = 'active'
  AND NOT s.hidden
GROUP BY c.status;

-- name: queue_by_architecture
-- What best_pending chooses from, and since when its oldest build waits there.
SELECT
    p.architecture,
    count(*) AS builds,
    min(max(p.changed_at, coalesce(p.not_before, p.changed_at))) AS oldest
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
JOIN builds AS p ON p.iteration_id = i.id
WHERE i.state = 'ready'
  AND s.status = 'active'
  AND NOT s.hidden
  AND p.status = 'pending'
  AND p.twin_of = 0
  AND p.held = ''
  AND (p.not_before IS NULL OR p.not_before <= :now)
GROUP BY p.architecture;

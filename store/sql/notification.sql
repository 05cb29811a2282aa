-- Turns of buildspaces, who is told about them, and the outbox.

-- name: turn_cursor
SELECT event_id
FROM turn_cursor;

-- name: move_turn_cursor
UPDATE turn_cursor
SET event_id = :until
WHERE event_id = :after;

-- name: turned_iterations
-- Those with events in a range, with the latest each. SQLite takes the columns that are not
-- grouped from the row with the maximum.
SELECT
    e.iteration_id,
    max(e.id) AS event_id,
    e.at
FROM events AS e
JOIN buildspaces AS s ON s.id = e.buildspace_id
WHERE e.id > :after
  AND e.id <= :until
  AND e.iteration_id IS NOT NULL
  AND NOT s.hidden
GROUP BY e.iteration_id;

-- name: turned_releases
-- What went from one target to another is of no buildspace, and no turn.
SELECT
    e.id AS number,
    e.at,
    e.buildspace_id,
    e.iteration_id,
    CASE e.cause WHEN 'handed-over' THEN 'released' ELSE 'withdrawn' END AS kind,
    e.message AS words
FROM events AS e
WHERE e.id > :after
  AND e.id <= :until
  AND e.kind = 'release'
  AND e.iteration_id IS NOT NULL
  AND e.cause IN ('handed-over', 'withdrawn')
ORDER BY e.id;

-- name: halted_iterations
-- Those that have not been able to go on since :before, and of which nobody was told so.
SELECT iteration_id
FROM turn_states
WHERE halted_at IS NOT NULL
  AND NOT blocked
  AND halted_at <= :before;

-- name: turn_states
SELECT *
FROM turn_states
WHERE iteration_id IN (SELECT value FROM json_each(:iterations));

-- name: iterations_by_id
SELECT
    i.*,
    s.name AS buildspace
FROM iterations AS i
JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE i.id IN (SELECT value FROM json_each(:iterations));

-- name: given_up
SELECT EXISTS (
    SELECT 1
    FROM builds
    WHERE iteration_id = :iteration
      AND status = 'skipped'
      AND skip_reason IN ('stopped', 'superseded', 'cancelled')
);

-- name: put_turn_state
INSERT INTO turn_states (
    iteration_id,
    event_id,
    failed,
    done,
    dones,
    halted_at,
    blocked,
    halts
)
VALUES (
    :iteration,
    :event,
    :failed,
    :done,
    :dones,
    :halted,
    :blocked,
    :halts
)
ON CONFLICT (iteration_id) DO UPDATE
SET event_id = excluded.event_id,
    failed = excluded.failed,
    done = excluded.done,
    dones = excluded.dones,
    halted_at = excluded.halted_at,
    blocked = excluded.blocked,
    halts = excluded.halts;

-- name: add_turn
INSERT INTO turns (
    buildspace_id,
    iteration_id,
    kind,
    number,
    at,
    words
)
VALUES (
    :buildspace,
    :iteration,
    :kind,
    :number,
    :at,
    :words
)
ON CONFLICT DO NOTHING;

-- name: untold_turns
-- Of buildspaces whose first untold turn was before :before, all untold ones.
SELECT
    t.*,
    s.name AS buildspace,
    i.number AS iteration
FROM turns AS t
JOIN buildspaces AS s ON s.id = t.buildspace_id
JOIN iterations AS i ON i.id = t.iteration_id
WHERE t.told_at IS NULL
  AND t.buildspace_id IN (SELECT f.buildspace_id FROM turns AS f WHERE f.told_at IS NULL AND f.at <= :before)
ORDER BY t.buildspace_id, t.id;

-- name: mark_told
UPDATE turns
SET told_at = :now
WHERE told_at IS NULL
  AND id IN (SELECT value FROM json_each(:turns));

-- name: next_turn
-- When the first untold turn was.
SELECT at
FROM turns
WHERE told_at IS NULL
ORDER BY at
LIMIT 1;

-- name: next_halt
SELECT halted_at
FROM turn_states
WHERE halted_at IS NOT NULL
  AND NOT blocked
ORDER BY halted_at
LIMIT 1;

-- name: followers_channels
-- The confirmed channels of those who follow a buildspace and may look at it. Its creator
-- does without saying so.
SELECT c.*
FROM buildspaces AS s
JOIN accounts AS a
JOIN channels AS c ON c.account_id = a.id
LEFT JOIN follows AS f ON f.account_id = a.id AND f.buildspace_id = s.id
WHERE s.id = :buildspace
  AND c.confirmed_at IS NOT NULL
  AND coalesce(f.choice, iif(a.name = s.created_by, 'follow', 'mute')) = 'follow'
  AND a.role <> ''
  AND (a.role_until IS NULL OR a.role_until > :now)
ORDER BY c.id;

-- name: waiting_deliveries
SELECT count(*)
FROM deliveries
WHERE channel = :channel
  AND status = 'waiting';

-- name: due_deliveries
-- In order for each channel and buildspace: what waits behind another one is not due. Of a
-- channel at most :each, so that one to which nothing can be sent leaves room for others.
SELECT *
FROM deliveries
WHERE id IN (
    SELECT p.id
    FROM (
        SELECT d.id, row_number() OVER (PARTITION BY d.channel ORDER BY d.id) AS place
        FROM deliveries AS d
        WHERE d.status = 'waiting'
          AND d.next_at <= :now
          AND NOT EXISTS (
            SELECT 1
            FROM deliveries AS o
            WHERE o.channel = d.channel
              AND o.buildspace_id IS d.buildspace_id
              AND o.status = 'waiting'
              AND o.id < d.id
          )
    ) AS p
    WHERE p.place <= :each
)
ORDER BY id;

-- name: next_delivery
SELECT next_at
FROM deliveries
WHERE status = 'waiting'
ORDER BY next_at
LIMIT 1;

-- name: claim_delivery
-- For a try that ends by :until. After a crash it is due again then.
UPDATE deliveries
SET tries = tries + 1,
    next_at = :until
WHERE id = :id
  AND status = 'waiting'
  AND next_at <= :now;

-- name: end_try
UPDATE deliveries
SET status = :status,
    next_at = :next,
    ended_at = :ended,
    error = :error
WHERE id = :id
  AND status = 'waiting'
  AND tries = :tries;

-- name: replay_delivery
UPDATE deliveries
SET status = 'waiting',
    tries = 0,
    next_at = :now,
    ended_at = NULL
WHERE id = :id
  AND status <> 'waiting';

-- name: delivery
SELECT
    d.*,
    coalesce(s.name, '') AS buildspace,
    coalesce(c.account_id, 0) AS account_id,
    coalesce(c.kind, '') AS kind,
    coalesce(c.address, '') AS address
FROM deliveries AS d
LEFT JOIN buildspaces AS s ON s.id = d.buildspace_id
LEFT JOIN channels AS c ON c.id = d.channel_id
WHERE d.id = :id;

-- name: deliveries
-- The newest first: of a person's channels or, for account 0, of the server's.
SELECT
    d.*,
    coalesce(s.name, '') AS buildspace,
    coalesce(c.account_id, 0) AS account_id,
    coalesce(c.kind, '') AS kind,
    coalesce(c.address, '') AS address
FROM deliveries AS d
LEFT JOIN buildspaces AS s ON s.id = d.buildspace_id
LEFT JOIN channels AS c ON c.id = d.channel_id
WHERE (d.channel_id IS NULL) = (:account = 0)
  AND (:account = 0 OR c.account_id = :account)
  AND (:before = 0 OR d.id < :before)
ORDER BY d.id DESC
LIMIT :limit;

-- name: delivery_counts
-- Those to the server's channels apart from those to people's.
SELECT
    channel_id IS NULL AS server,
    status,
    count(*) AS deliveries,
    min(created_at) AS oldest
FROM deliveries
GROUP BY 1, 2;

-- name: prune_deliveries
-- What has ended, but for the newest of each channel.
DELETE FROM deliveries
WHERE status <> 'waiting'
  AND (
    created_at < :before
    OR (SELECT count(*) FROM deliveries AS n WHERE n.channel = deliveries.channel AND n.id > deliveries.id) >= :keep
  );

-- name: prune_turns
DELETE FROM turns
WHERE told_at < :before;

-- name: channels_of
SELECT *
FROM channels
WHERE account_id = :account
ORDER BY id;

-- name: channel
SELECT *
FROM channels
WHERE id = :id;

-- name: confirm_channel
UPDATE channels
SET confirmed_at = :now,
    secret = ''
WHERE id = :id
  AND kind = 'mail'
  AND confirmed_at IS NULL;

-- name: remove_channel
DELETE FROM channels
WHERE id = :id
  AND account_id = :account;

-- name: follow
INSERT INTO follows (
    account_id,
    buildspace_id,
    choice
)
VALUES (
    :account,
    :buildspace,
    :choice
)
ON CONFLICT (account_id, buildspace_id) DO UPDATE
SET choice = excluded.choice;

-- name: unfollow
DELETE FROM follows
WHERE account_id = :account
  AND buildspace_id = :buildspace;

-- name: follow_choice
SELECT coalesce((SELECT choice FROM follows WHERE account_id = :account AND buildspace_id = :buildspace), '');

-- name: follows_of
SELECT
    s.name AS buildspace,
    f.choice
FROM follows AS f
JOIN buildspaces AS s ON s.id = f.buildspace_id
WHERE f.account_id = :account
  AND NOT s.hidden
ORDER BY s.name
LIMIT 1000;

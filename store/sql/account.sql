-- People, their sessions, tokens, and the record of what was done.

-- name: account
SELECT *
FROM accounts
WHERE id = :id;

-- name: account_of
SELECT *
FROM accounts
WHERE issuer = :issuer
  AND subject = :subject;

-- name: account_named
SELECT *
FROM accounts
WHERE name = :name;

-- name: accounts
SELECT *
FROM accounts
ORDER BY name;

-- name: accounts_to_check
-- Those with a role of an OIDC provider that must be confirmed or ended now.
SELECT *
FROM accounts
WHERE role <> ''
  AND issuer NOT IN ('local', 'proxy')
  AND (issuer <> :issuer
    OR (refresh IS NOT NULL AND checked_at < :since)
    OR (refresh IS NULL AND role_until <= :now))
ORDER BY checked_at;

-- name: session_account
SELECT a.*
FROM sessions AS s
JOIN accounts AS a ON a.id = s.account_id
WHERE s.hash = :hash;

-- name: session
SELECT *
FROM sessions
WHERE hash = :hash;

-- name: sessions
SELECT *
FROM sessions
WHERE account_id = :account
ORDER BY last_used_at DESC, id DESC;

-- name: touch_session
UPDATE sessions
SET last_used_at = :now,
    address = :address
WHERE id = :id
  AND last_used_at < :now;

-- name: session_in_words
SELECT a.name, s.user_agent AS detail
FROM sessions AS s
JOIN accounts AS a ON a.id = s.account_id
WHERE s.id = :id;

-- name: end_session
DELETE FROM sessions
WHERE id = :id
  AND (:account = 0 OR account_id = :account);

-- name: end_sessions
DELETE FROM sessions
WHERE account_id = :account;

-- name: token
-- Every request looks up its token: columns that only lists show, two of them times, would
-- take a third longer to read.
SELECT
    id,
    hash,
    kind,
    name,
    account_id,
    role,
    architectures,
    labels,
    expires_at,
    revoked_at
FROM tokens
WHERE hash = :hash;

-- name: tokens
-- Of one person, or all; the revoked ones last.
SELECT *
FROM tokens
WHERE :account = 0
   OR account_id = :account
ORDER BY revoked_at IS NOT NULL, kind, name, id DESC
LIMIT 1000;

-- name: touch_token
UPDATE tokens
SET last_used_at = :now,
    last_used_from = :address
WHERE id = :id;

-- name: token_in_words
SELECT t.name, CASE t.kind WHEN 'worker' THEN 'build machine' ELSE t.kind || ', ' || t.role END || coalesce(', of ' || a.name, '') AS detail
FROM tokens AS t
LEFT JOIN accounts AS a ON a.id = t.account_id
WHERE t.id = :id;

-- name: end_expired_tokens
-- The name of one that has expired may be given again.
UPDATE tokens
SET revoked_at = expires_at
WHERE kind = :kind
  AND name = :name
  AND coalesce(account_id, 0) = :account
  AND revoked_at IS NULL
  AND expires_at <= :now;

-- name: revoke_token
UPDATE tokens
SET revoked_at = :now
WHERE id = :id
  AND revoked_at IS NULL
  AND (:account = 0 OR account_id = :account);

-- name: revoke_tokens
UPDATE tokens
SET revoked_at = :now
WHERE account_id = :account
  AND revoked_at IS NULL;

-- name: prune_sessions
DELETE FROM sessions
WHERE last_used_at < :idle
   OR created_at < :life;

-- name: prune_tokens
-- They stay in lists for a while, so that people see what ended.
DELETE FROM tokens
WHERE revoked_at < :before
   OR expires_at < :before;

-- name: prune_audit
DELETE FROM audit_entries
WHERE at < :before;

-- name: audit
-- The newest first.
SELECT *
FROM audit_entries
WHERE (:before = 0 OR id < :before)
  AND (:actor = '' OR actor = :actor)
ORDER BY id DESC
LIMIT :limit;

-- name: tokens_named
SELECT id
FROM tokens
WHERE kind = :kind
  AND name = :name
  AND coalesce(account_id, 0) = :account
  AND revoked_at IS NULL;

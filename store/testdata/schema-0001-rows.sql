INSERT INTO buildspaces (id, name, status, scope, cycles, priority, architectures, created_by, created_at)
VALUES (1, 'work', 'active', 'all', 'once', 'normal', '["x86_64"]', 'alice', '2026-01-01 10:00:00+00:00');
INSERT INTO changesets VALUES (1, 'lib', 'main');
INSERT INTO iterations (id, buildspace_id, number, state, reason, created_at) VALUES (1, 1, 1, 'ready', 'first', '2026-01-01 10:00:01+00:00');
INSERT INTO iteration_changesets VALUES (1, 'lib', 'main', 'c1');
INSERT INTO builds (id, iteration_id, architecture, pkgbase, source, commit_id, version, level, pkgnames, reason, status, waiting, attempts, changed_at, started_at, finished_at)
VALUES
(1, 1, 'x86_64', 'lib', 'lib', 'c1', '1-1', 0, '["lib"]', '{}', 'built', 0, 1, '2026-01-01 10:05:00+00:00', '2026-01-01 10:01:00+00:00', '2026-01-01 10:05:00+00:00'),
(2, 1, 'x86_64', 'app', 'app', 'c2', '2-1', 1, '["app"]', '{}', 'failed', 0, 1, '2026-01-01 10:07:00+00:00', '2026-01-01 10:06:00+00:00', '2026-01-01 10:07:00+00:00'),
(3, 1, 'x86_64', 'leaf', 'leaf', 'c3', '3-1', 2, '["leaf"]', '{}', 'blocked', 1, 0, '2026-01-01 10:00:01+00:00', NULL, NULL);
INSERT INTO edges (from_build, to_build, kinds) VALUES (1, 2, 1), (2, 3, 1);
INSERT INTO attempts (id, build_id, number, worker, runner, lease, state, outcome, message, result, deadline, started_at, heartbeat_at, finished_at)
VALUES
(1, 1, 1, 'w1', 'fake', 'lease-1', 'finished', 'built', '', 'built', '2026-01-01 10:06:00+00:00', '2026-01-01 10:01:00+00:00', '2026-01-01 10:05:00+00:00', '2026-01-01 10:05:00+00:00'),
(2, 2, 1, 'w1', 'fake', 'lease-2', 'finished', 'failed', 'check() failed', 'failed', '2026-01-01 10:08:00+00:00', '2026-01-01 10:06:00+00:00', '2026-01-01 10:07:00+00:00', '2026-01-01 10:07:00+00:00');
INSERT INTO packages (id, build_id, attempt_id, pkgname, version, architecture, filename, sha256, size, published, created_at)
VALUES (1, 1, 1, 'lib', '1-1', 'x86_64', 'lib-1-1-x86_64.pkg.tar.zst', '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 123, TRUE, '2026-01-01 10:05:00+00:00');
INSERT INTO workers (name, architectures, runners, first_seen, last_seen)
VALUES ('w1', '["x86_64"]', '["fake"]', '2026-01-01 09:00:00+00:00', '2026-01-01 10:07:00+00:00');
INSERT INTO events (at, actor, buildspace_id, iteration_id, build_id, kind, from_status, to_status, cause)
VALUES
('2026-01-01 10:00:01+00:00', 'system', 1, 1, 1, 'build', '', 'pending', 'planned'),
('2026-01-01 10:00:01+00:00', 'system', 1, 1, 2, 'build', '', 'blocked', 'planned'),
('2026-01-01 10:00:01+00:00', 'system', 1, 1, 3, 'build', '', 'blocked', 'planned'),
('2026-01-01 10:01:00+00:00', 'system', 1, 1, 1, 'build', 'pending', 'building', 'leased'),
('2026-01-01 10:05:00+00:00', 'system', 1, 1, 1, 'build', 'building', 'built', 'finished'),
('2026-01-01 10:05:00+00:00', 'system', 1, 1, 2, 'build', 'blocked', 'pending', 'ready'),
('2026-01-01 10:06:00+00:00', 'system', 1, 1, 2, 'build', 'pending', 'building', 'leased'),
('2026-01-01 10:07:00+00:00', 'system', 1, 1, 2, 'build', 'building', 'failed', 'failed');

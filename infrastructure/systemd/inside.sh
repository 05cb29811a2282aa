#!/bin/bash
# inside.sh: installs buildbtw's packages on a Debian whose systemd runs, and tries the units
# as operations.md has them: test.sh boots that system. Each check is a line "try: …".
set -u
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive HOME=/root
failed=0

check() { # WORDS COMMAND…: the command succeeds
	local words=$1 said
	shift
	if said=$("$@" 2>&1); then
		echo "try: ok: $words ($SECONDS s)"
	else
		echo "try: FAILED: $words: $*: $said" | tr '\n' ' '
		echo
		failed=1
	fi
}

until_ok() { # SECONDS COMMAND…: the command succeeds some time
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || { "$@"; return; }
		sleep 1
	done
}

admin() { sudo -u buildbtw bbtw "$@"; } # operations.md
says() { # TEXT COMMAND…: the output has the text
	local text=$1 said
	shift
	said=$("$@" 2>&1)
	case $said in *"$text"*) ;; *) echo "$said"; return 1 ;; esac
}
property() { systemctl show -P "$2" "$1"; }
is() { [ "$1" = "$2" ] || { echo "$1 instead of $2"; return 1; }; }
build() { admin show "$1" --json | sed -n 's/^ *"status": "\([a-z]*\)".*/\1/p'; }

# source NAME SECONDS [DEPENDENCY]: a directory with a PKGBUILD, whose build takes a while.
source_of() {
	local dir=/srv/packages/$1
	mkdir -p "$dir"
	cat >"$dir/PKGBUILD" <<-P
		pkgname=$1
		pkgver=1
		pkgrel=1
		arch=(any)
		depends=(${3:-})
		build() {
			id; cat /proc/self/cgroup
			for i in \$(seq $2); do echo "second \$i"; sleep 1; done
		}
		package() { install -D -m 644 /dev/null "\$pkgdir/usr/share/$1/file"; }
	P
}

failures() {
	journalctl --no-pager -b -o short-monotonic -u 'buildbtw*' -n 150
	systemctl --no-pager status 'buildbtw*'
}

echo "try: $(. /etc/os-release; echo "$PRETTY_NAME"), systemd $(systemctl --version | awk 'NR == 1 { print $2 }'), kernel $(uname -r)"
check 'the system is up' until_ok 300 systemctl is-active basic.target

# Installing: users, directories, units.
check 'packages are installed' dpkg -i /try/*.deb
for user in buildbtw buildbtw-worker buildbtw-signer; do check "the user $user is there" getent passwd "$user"; done
check 'the directory of settings is there' is "$(stat -c '%U:%G %a' /etc/buildbtw)" 'root:root 755'
check 'the directory of the signer’s socket is its user’s and the server’s group’s' is "$(stat -c '%U:%G %a' /run/buildbtw-signer)" 'buildbtw-signer:buildbtw 2750'
check 'nothing was started' is "$(systemctl is-active buildbtw buildbtw-worker buildbtw-signer | sort -u)" inactive
check 'verified by systemd' systemd-analyze verify --man=no buildbtw.service buildbtw.socket buildbtw-worker.service buildbtw-signer.service

# The server, with plain directories whose .SRCINFO it makes in its box, and the signer's key.
source_of lib 2
source_of app 2 lib
source_of slow 45
check 'a key is made as release.md has it' sudo -u buildbtw-signer -H gpg --batch --quiet --passphrase '' --quick-generate-key 'Packages <packages@example.org>' ed25519 sign 2y
sudo -u buildbtw-signer -H gpg --armor --export >/etc/buildbtw/keys.asc
echo 'BUILDBTW_TARGET=stable' >/etc/buildbtw/signer.env
cat >/etc/buildbtw/server.env <<-'S'
	BUILDBTW_SOURCES=dir:/srv/packages
	BUILDBTW_TARGET=stable,sign=required,keys=/etc/buildbtw/keys.asc
	BUILDBTW_SIGNER=unix:/run/buildbtw-signer/socket
S
check 'the server starts' systemctl enable --now buildbtw
check 'systemd was told that it is ready' is "$(property buildbtw ActiveState)/$(property buildbtw SubState)" active/running
check 'it is ready by then' curl -fsS http://127.0.0.1:8080/api/v1/ready
check 'its user administers it' admin list
check 'a .SRCINFO is made in the box' until_ok 180 admin plan app
check 'the signer starts' systemctl enable --now buildbtw-signer
check 'the server’s group reaches the signer’s socket' until_ok 30 test -S /run/buildbtw-signer/socket
check 'nobody else does' eval '! sudo -u nobody test -e /run/buildbtw-signer/socket'

# The worker, as operations.md has it.
(umask 077; admin auth token create guest --worker >/etc/buildbtw/worker-token)
chown buildbtw-worker /etc/buildbtw/worker-token
cat >/etc/buildbtw/worker.env <<-'S'
	BUILDBTW_SERVER_URL=http://127.0.0.1:8080
	BUILDBTW_WORKER_TOKEN_FILE=/etc/buildbtw/worker-token
S
check 'the worker starts' systemctl enable --now buildbtw-worker
check 'the server knows it' until_ok 120 eval 'admin workers | grep -q ^guest'
check 'it builds in its box' timeout 240 sudo -u buildbtw bbtw new lib -n work --wait --yes
check 'a build has a control group of its own' eval 'admin log work/app | grep -E "0::/.*buildbtw-worker.service/.+"'
check 'the worker found nothing wrong' eval '! journalctl -b -u buildbtw-worker -p warning --no-pager -q | grep .'
check 'packages are signed and released' eval 'admin release work --yes && until_ok 120 says "released 2 packages" admin activity'

# The watchdog: a server that does not answer is started again.
mkdir -p /run/systemd/system/buildbtw.service.d
printf '[Service]\nWatchdogSec=20\nTimeoutAbortSec=5\n' >/run/systemd/system/buildbtw.service.d/try.conf
systemctl daemon-reload
check 'the server restarts' systemctl restart buildbtw
main=$(property buildbtw MainPID)
kill -STOP "$main"
check 'a server that hangs is started again' until_ok 240 eval '[ "$(property buildbtw NRestarts)" -ge 1 ] && [ "$(property buildbtw MainPID)" != "'"$main"'" ] && systemctl is-active buildbtw'
check 'it is ready again' until_ok 120 curl -fsS http://127.0.0.1:8080/api/v1/ready
rm /run/systemd/system/buildbtw.service.d/try.conf
systemctl daemon-reload

# Stopping: a worker's builds are finished, and the server's workers go on without it.
check 'a long build begins' eval 'admin new slow -n slow --yes && until_ok 120 says "second 1" admin log slow/slow'
check 'the server restarts under it' systemctl restart buildbtw
check 'the worker is stopped' systemctl stop buildbtw-worker
check 'and has finished its build' until_ok 120 says built admin show slow
check 'in its only attempt' eval '! admin log slow/slow --attempt 2'
check 'nothing of it is left' eval '! pgrep -u buildbtw-worker'

# A proxy's socket: connections wait in it while the server restarts.
printf 'BUILDBTW_AUTH_HEADER=Remote-User\nBUILDBTW_TRUSTED_PROXIES=unix\n' >>/etc/buildbtw/server.env
systemctl stop buildbtw
check 'the socket listens' systemctl enable --now buildbtw.socket
check 'who connects starts the server' curl -fsS -m 120 --unix-socket /run/buildbtw.sock http://buildbtw/api/v1/ready
check 'it is of the socket’s mode' is "$(stat -c '%U:%G %a' /run/buildbtw.sock)" 'root:root 660'
systemctl restart --no-block buildbtw
check 'no connection is refused meanwhile' eval 'for i in $(seq 20); do curl -fsS -m 120 --unix-socket /run/buildbtw.sock http://buildbtw/api/v1/health || exit 1; done'
check 'a user of the machine gets nothing' eval '! sudo -u nobody curl -fsS --unix-socket /run/buildbtw.sock http://buildbtw/api/v1/health'

# Removing the packages ends what runs.
check 'packages are removed' dpkg -r buildbtw-signer buildbtw-worker buildbtw
check 'nothing runs' eval '! pgrep -x "buildbtw|buildbtw-worker|buildbtw-signer"'
check 'no unit is left' eval '! systemctl list-unit-files --no-legend "buildbtw*" | grep .'
check 'the data stay' test -s /var/lib/buildbtw/data/buildbtw.sqlite

if [ "$failed" = 0 ]; then
	echo 'try: everything held'
else
	failures
	echo 'try: something failed'
fi

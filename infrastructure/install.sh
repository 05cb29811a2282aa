#!/bin/bash
# Installs programs of bin/ with their man pages, completions and units, for `make install`
# and for packages.
#
#   DESTDIR=/tmp/root PREFIX=/usr infrastructure/install.sh [PROGRAM…]
#
# Without names all programs are installed.
set -euo pipefail
cd "$(dirname "$0")/.."
prefix=${DESTDIR:-}${PREFIX:-/usr/local}
programs=("$@")
if ((${#programs[@]} == 0)); then
	programs=(bbtw buildbtw buildbtw-worker buildbtw-executor buildbtw-repo-updater buildbtw-signer)
fi
# A page's date is that of the commit, so that two builds of it are the same.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
man=$(mktemp -d)
trap 'rm -rf "$man"' EXIT

put() { # MODE FILE DIRECTORY [NAME]
	install -D -m "$1" "$2" "$3/${4:-${2##*/}}"
}

# unit installs a unit that runs the program from where it is installed.
unit() {
	put 644 "infrastructure/systemd/$1" "$prefix/lib/systemd/system"
	sed -i "s|^ExecStart=/usr/bin/|ExecStart=${PREFIX:-/usr/local}/bin/|" "$prefix/lib/systemd/system/$1"
}

for program in "${programs[@]}"; do
	if [[ ! -x bin/$program ]]; then
		echo "bin/$program is missing; run: make build" >&2
		exit 1
	fi
	put 755 "bin/$program" "$prefix/bin"
	mkdir "$man/$program"
	"bin/$program" man "$man/$program"
	for page in "$man/$program"/*.1; do
		gzip -9n "$page"
		put 644 "$page.gz" "$prefix/share/man/man1"
	done
	for shell in bash zsh fish; do
		"bin/$program" completion "$shell" >"$man/completion"
		case $shell in
		bash) put 644 "$man/completion" "$prefix/share/bash-completion/completions" "$program" ;;
		zsh) put 644 "$man/completion" "$prefix/share/zsh/site-functions" "_$program" ;;
		fish) put 644 "$man/completion" "$prefix/share/fish/vendor_completions.d" "$program.fish" ;;
		esac
	done
	put 644 LICENSE "$prefix/share/licenses/$program"
	put 644 docs/licences.md "$prefix/share/doc/$program"
	case $program in
	buildbtw)
		unit buildbtw.service
		unit buildbtw.socket
		put 644 infrastructure/gitlab-ci.yml "$prefix/share/buildbtw"
		put 644 infrastructure/proxy/nginx.conf "$prefix/share/doc/buildbtw/proxy"
		put 644 infrastructure/proxy/Caddyfile "$prefix/share/doc/buildbtw/proxy"
		put 644 infrastructure/monitoring/buildbtw.rules.yml "$prefix/share/doc/buildbtw/monitoring"
		put 644 infrastructure/monitoring/buildbtw.dashboard.json "$prefix/share/doc/buildbtw/monitoring"
		grep '^u buildbtw ' infrastructure/systemd/sysusers.conf >"$man/users"
		put 644 "$man/users" "$prefix/lib/sysusers.d" buildbtw.conf
		put 644 infrastructure/systemd/tmpfiles.conf "$prefix/lib/tmpfiles.d" buildbtw.conf
		;;
	buildbtw-worker)
		unit buildbtw-worker.service
		grep '^u buildbtw-worker ' infrastructure/systemd/sysusers.conf >"$man/users"
		put 644 "$man/users" "$prefix/lib/sysusers.d" buildbtw-worker.conf
		put 644 infrastructure/systemd/tmpfiles.conf "$prefix/lib/tmpfiles.d" buildbtw-worker.conf
		;;
	buildbtw-signer)
		unit buildbtw-signer.service
		grep '^u buildbtw-signer ' infrastructure/systemd/sysusers.conf >"$man/users"
		echo 'g buildbtw -' >>"$man/users" # also on a host without the server: the socket's group
		put 644 "$man/users" "$prefix/lib/sysusers.d" buildbtw-signer.conf
		put 644 infrastructure/systemd/tmpfiles-signer.conf "$prefix/lib/tmpfiles.d" buildbtw-signer.conf
		;;
	buildbtw-executor)
		put 755 infrastructure/buildbtw-executor.sh "$prefix/share/buildbtw-executor"
		put 644 infrastructure/gitlab-runner/config.toml "$prefix/share/buildbtw-executor"
		put 644 infrastructure/gitlab-runner/buildbtw.conf "$prefix/share/buildbtw-executor"
		;;
	esac
done

// Package dbscripts releases through Arch Linux's dbscripts, to a small distribution that is
// made for it. There are only tests in it, and they need root and a checkout of dbscripts: see
// make test-dbscripts.
package dbscripts

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw/cmd/internal/cmdtest"
)

// scripts is the checkout of dbscripts, with db-functions-git.
var scripts = os.Getenv("BUILDBTW_DBSCRIPTS")

func TestMain(m *testing.M) {
	if scripts == "" {
		os.Exit(m.Run()) // everything is skipped
	}
	os.Exit(cmdtest.Main(m.Run))
}

// packager is who builds, signs and releases here.
const packager = "Anna <anna@example.org>"

// distribution has the repositories core and extra, each with its testing one, a host on which
// db-update runs, and a packager with a key.
type distribution struct {
	t           *testing.T
	dir         string
	environment []string
}

func newDistribution(t *testing.T) *distribution {
	t.Helper()
	if scripts == "" {
		t.Skip("this needs root and dbscripts; BUILDBTW_DBSCRIPTS=… make test-dbscripts runs it")
	}
	dir, err := os.MkdirTemp("", "dbscripts") // paths of sockets must be short
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // makepkg does not run as root
		t.Fatal(err)
	}
	d := &distribution{t: t, dir: dir}
	t.Cleanup(func() {
		for _, home := range []string{"gnupg", "keyring"} {
			_ = exec.Command("gpgconf", "--homedir", filepath.Join(dir, home), "--kill", "all").Run()
		}
		_ = os.RemoveAll(dir)
	})
	d.environment = append(os.Environ(),
		"PATH="+d.at("bin")+":"+os.Getenv("PATH"), "HOME="+d.at("home"), "GNUPGHOME="+d.at("gnupg"), "LC_ALL=C.UTF-8",
		"GIT_CONFIG_GLOBAL="+d.at("gitconfig"), "XDG_STATE_HOME="+d.at("state"), "PKGCTL_DIR="+dir)
	d.bash(`
		mkdir -m 700 gnupg
		mkdir -p bin home sources filler packages state-repo tmp archive keyring home/staging/{core,extra}{,-testing}
		mkdir -p ftp/pool/packages{,-debug} ftp/{core,extra}{,-testing}{,-debug}/os/x86_64
		for repo in {core,extra}{,-testing}{,-debug}; do repo-add -q ftp/$repo/os/x86_64/$repo.db.tar.gz; done
		gpg --batch --quiet --passphrase '' --quick-generate-key '` + packager + `' ed25519 sign never
		gpg --armor --export >keys.asc
		pacman-key --gpgdir keyring --init
		pacman-key --gpgdir keyring --add keys.asc
		pacman-key --gpgdir keyring --lsign-key anna@example.org
		git config --global user.name Anna
		git config --global user.email anna@example.org
		git config --global init.defaultBranch main
		git config --global safe.directory '*'
		git init -q state-repo && git -C state-repo commit -q --allow-empty -m begin
	`)
	// A base repository without packages is not believed to be one.
	d.write("filler/PKGBUILD", "pkgname=filler\npkgver=1\npkgrel=1\narch=(any)\npackage() { install -D /dev/null \"$pkgdir/usr/share/filler\"; }\n")
	d.bash(`
		chown -R nobody filler
		cd filler && setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/tmp PKGEXT=.pkg.tar.zst makepkg --nosign -d 2>&1
		cd ../ftp/extra/os/x86_64 && repo-add -q extra.db.tar.gz ../../../../filler/filler-1-1-any.pkg.tar.zst
	`)
	d.write("authors", packager+" root\n")
	d.write("bin/pacman-key", "#!/bin/sh\nexec /usr/bin/pacman-key --gpgdir "+d.at("keyring")+" \"$@\"\n")
	d.write("config.local", fmt.Sprintf(`
		PATH=%[1]s/bin:$PATH
		FTP_BASE=%[1]s/ftp ARCHIVE_BASE=%[1]s/archive ARCHIVEUSER= STAGING=%[1]s/home/staging TMPDIR=%[1]s/tmp
		PKGREPOS=(core core-testing extra extra-testing) DEBUGREPOS=(core-debug core-testing-debug extra-debug extra-testing-debug)
		TESTING_REPOS=(core-testing extra-testing) STABLE_REPOS=(core extra)
		PKGPOOL=pool/packages DEBUGPKGPOOL=pool/packages-debug SRCPOOL=sources
		ACL=([root]="core core-testing extra extra-testing core-debug core-testing-debug extra-debug extra-testing-debug")
		VCS=git KEYRING=%[1]s/keyring GIT_PACKAGING_REPOS_URL=%[1]s/packages GIT_STATE_REPO=%[1]s/state-repo GIT_PACKAGES_CACHE=%[1]s/cache GITUSER= AUTHORS=%[1]s/authors
		LOCK_DELAY=1
	`, dir))
	d.write("home/db-update", "#!/bin/sh\nHOME="+d.at("home")+" DBSCRIPTS_CONFIG="+d.at("config.local")+" exec "+scripts+"/db-update\n")
	d.sshd()
	return d
}

func (d *distribution) at(name string) string { return filepath.Join(d.dir, name) }

func (d *distribution) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(d.at(name), []byte(text), 0o755); err != nil {
		d.t.Fatal(err)
	}
}

// try runs a script, and returns what it said.
func (d *distribution) try(script string) (string, error) {
	cmd := exec.CommandContext(d.t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = d.dir, d.environment
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, 5*time.Second
	err := cmd.Run()
	return out.String(), err
}

func (d *distribution) bash(script string) string {
	d.t.Helper()
	out, err := d.try(script)
	if err != nil {
		d.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// says runs a script that must succeed, or fail, and say something.
func (d *distribution) says(ok bool, script string, words ...string) {
	d.t.Helper()
	out, err := d.try(script)
	if (err == nil) != ok {
		d.t.Errorf("%s: %v\n%s", script, err, out)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			d.t.Errorf("%s does not say %q:\n%s", script, w, out)
		}
	}
}

// sshd starts a real one, whose user has home for a home directory. The name repos is its host.
func (d *distribution) sshd() {
	d.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		d.t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	_ = ln.Close()
	d.bash("for key in host client; do ssh-keygen -q -t ed25519 -N '' -f $key; done; mkdir -p /run/sshd")
	d.write("login", "#!/bin/bash\ncd "+d.at("home")+"\nexport HOME=$PWD PATH=$PWD:"+d.at("bin")+":/usr/bin:/bin\nexec bash -c \"$SSH_ORIGINAL_COMMAND\"\n")
	d.write("sshd_config", fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\nForceCommand %s\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\n",
		port, d.at("host"), d.at("client.pub"), d.at("login")))
	d.write("ssh_config", fmt.Sprintf("Host repos\nHostName 127.0.0.1\nPort %d\nUser root\nIdentityFile %s\nIdentitiesOnly yes\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\nConnectionAttempts 30\n", port, d.at("client")))
	d.write("bin/ssh", "#!/bin/sh\nexec /usr/bin/ssh -F "+d.at("ssh_config")+" \"$@\"\n")
	cmd := exec.CommandContext(d.t.Context(), "/usr/sbin/sshd", "-D", "-e", "-f", d.at("sshd_config"))
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// source commits a PKGBUILD, with its .SRCINFO, to a project that sources and the packaging
// repositories have.
func (d *distribution) source(name, pkgbuild string) {
	d.t.Helper()
	d.bash("[ -e sources/" + name + " ] || { git init -q --bare packages/" + name + ".git; git clone -q packages/" + name + ".git sources/" + name + "; }; chmod -R a+rwX sources/" + name)
	d.write("sources/"+name+"/PKGBUILD", pkgbuild)
	d.bash(`cd sources/` + name + `
		[ ! -e .git/refs/remotes/origin/main ] || git pull -q --ff-only
		setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/tmp makepkg --printsrcinfo >"$PKGCTL_DIR/srcinfo"
		mv "$PKGCTL_DIR/srcinfo" .SRCINFO
		git add -A
		git commit -q -m change
		git push -q origin HEAD:main`)
}

const library = `pkgbase=calc
pkgname=(calc calc-tools)
pkgver=%s
pkgrel=1
pkgdesc='made for a test'
arch=(x86_64)
options=(!debug)
build() { echo 'int calc(void) { return %[1]s; }' >calc.c; gcc -shared -fPIC -Wl,-soname,libcalc.so.%[1]s -o libcalc.so.%[1]s calc.c; }
package_calc() { provides=(libcalc.so); install -D -t "$pkgdir/usr/lib" libcalc.so.%[1]s; ln -s libcalc.so.%[1]s "$pkgdir/usr/lib/libcalc.so"; }
package_calc-tools() { depends=(calc); install -D /dev/null "$pkgdir/usr/share/calc/tools"; }
`

const program = `pkgname=sum
pkgver=1
pkgrel=1
pkgdesc='made for a test'
arch=(x86_64)
depends=(calc)
options=(!debug)
build() { echo 'int calc(void); int main(void) { return calc(); }' >sum.c; gcc -o sum sum.c -lcalc; }
package() { depends+=(libcalc.so); install -D -t "$pkgdir/usr/bin" sum; }
`

const words = `pkgname=words
epoch=1
pkgver=2.0
pkgrel=1
pkgdesc='made for a test'
arch=(any)
depends=(calc)
package() { install -D /dev/null "$pkgdir/usr/share/words"; }
`

// TestRealDbUpdate: two releases of packages that the real makepkg made, the first of new
// ones into extra, the second of a changed library with
// what was rebuilt with it.
func TestRealDbUpdate(t *testing.T) {
	d := newDistribution(t)
	d.source("calc", fmt.Sprintf(library, "1"))
	d.source("sum", program)
	d.source("words", words)
	server, err := cmdtest.StartServer(t.Context(), "", cmdtest.Spec{
		Args: []string{
			"--data-dir", d.at("data"), "--sources", "dir:" + d.at("sources"), "--sync-period", "1s", "--debounce", "1s",
			"--base-repo", "extra-testing=file://" + d.at("ftp/extra-testing/os/x86_64"), "--base-repo", "extra=file://" + d.at("ftp/extra/os/x86_64"),
			"--target", "extra=pkgctl:repos,new=extra,packagers=example.org,sign=required,keys=" + d.at("keys.asc"),
			"--base-period", "1s",
		},
		Dir: d.dir, Env: d.environment, Log: d.at("server.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	d.environment = append(d.environment, "BUILDBTW_SERVER_URL="+server.URL)
	worker, err := cmdtest.Start(cmdtest.Spec{
		Args: []string{"buildbtw-worker", "run", "--runner", "makepkg", "--architectures", "x86_64", "--name", "one", "--work-dir", d.at("work"), "--packager", packager},
		Dir:  d.dir, Env: d.environment, Log: d.at("worker.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(server.Log(), worker.Log())
		}
		_, _ = worker.Stop(10 * time.Second)
		_, _ = server.Stop(10 * time.Second)
	})
	remote := "--remote '" + d.at("packages/{pkgbase}.git") + "'"

	d.bash("bbtw new calc -n first --scope all --yes && timeout 300 bbtw wait first")
	d.says(true, "bbtw release first --yes", "waits for signatures: bbtw release sign 1")
	d.says(true, "bbtw release sign 1 --yes", "4 of 4 files are signed")
	d.says(true, "for i in {1..60}; do bbtw release fetch 1 staging1 --no-tags && exit; sleep 1; done; exit 1", "4 packages in", "rsync", "ssh -- repos db-update")
	d.says(false, "bbtw release fetch 1 staging1 --run --yes "+remote, "Push them: bbtw release push 1")
	d.says(true, "bbtw release push 1 --pause 0s "+remote, "calc 1-1: pushed", "words 1:2.0-1: pushed")
	d.says(false, "touch home/staging/extra/other-1-1-any.pkg.tar.zst; bbtw release fetch 1 staging1 --run --yes "+remote, "staging of repos has extra/other-1-1-any.pkg.tar.zst")
	d.says(true, "rm home/staging/extra/other-1-1-any.pkg.tar.zst; bbtw release fetch 1 staging1 --run --yes "+remote, "Updating [extra]", "release 1: released 4 packages to extra")
	d.says(true, "bsdtar -tf ftp/extra/os/x86_64/extra.db", "calc-1-1/desc", "calc-tools-1-1/desc", "sum-1-1/desc", "words-1:2.0-1/desc")
	d.says(true, "cat state-repo/extra-x86_64/calc", "calc 1-1 1-1 ")

	d.source("calc", fmt.Sprintf(library, "2"))
	d.bash("bbtw new calc -n second --yes && timeout 300 bbtw wait second")
	d.says(true, "bbtw release second --yes", "release sign 2")
	d.bash("bbtw release sign 2 --yes; bbtw release push 2 --pause 0s " + remote)
	d.says(true, "for i in {1..60}; do bbtw release fetch 2 staging2 --run --yes "+remote+" && exit; sleep 1; done; exit 1", "release 2: released ")
	d.says(true, "bsdtar -tf ftp/extra/os/x86_64/extra.db", "calc-2-1/desc", "sum-1-2/desc")
}

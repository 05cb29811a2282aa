// Package dbscripts releases through Arch Linux's dbscripts, to a small distribution that is
// made for it. There are only tests in it, and they need root and checkouts of dbscripts and
// devtools: see make test-dbscripts.
package dbscripts

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	arches      []string
	environment []string
}

func newDistribution(t *testing.T, arches ...string) *distribution {
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
	d := &distribution{t: t, dir: dir, arches: arches}
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
		mkdir -p bin packager home sources filler packages state-repo tmp archive keyring home/staging/{core,extra}{,-testing}
		mkdir -p ftp/pool/packages{,-debug} ftp/pool/sources cleanup home/archlinux/packaging runtime
		ln -s ../../../packages home/archlinux/packaging/packages
		for arch in ` + strings.Join(arches, " ") + `; do
			mkdir -p ftp/{core,extra}{,-testing}{,-debug}/os/$arch
			for repo in {core,extra}{,-testing}{,-debug}; do repo-add -q ftp/$repo/os/$arch/$repo.db.tar.gz; done
		done
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
		for arch in ` + strings.Join(arches, " ") + `; do cp filler-1-1-any.pkg.tar.zst ../ftp/extra/os/$arch; repo-add -q ../ftp/extra/os/$arch/extra.db.tar.gz filler-1-1-any.pkg.tar.zst; done
	`)
	d.write("authors", packager+" root\n")
	d.write("bin/pacman-key", "#!/bin/sh\nexec /usr/bin/pacman-key --gpgdir "+d.at("keyring")+" \"$@\"\n")
	d.write("config.local", fmt.Sprintf(`
		PATH=%[1]s/packager:%[1]s/bin:$PATH
		FTP_BASE=%[1]s/ftp ARCHIVE_BASE=%[1]s/archive ARCHIVEUSER= STAGING=%[1]s/home/staging TMPDIR=%[1]s/tmp
		PKGREPOS=(core core-testing extra extra-testing) DEBUGREPOS=(core-debug core-testing-debug extra-debug extra-testing-debug)
		TESTING_REPOS=(core-testing extra-testing) STABLE_REPOS=(core extra)
		PKGPOOL=pool/packages DEBUGPKGPOOL=pool/packages-debug SRCPOOL=pool/sources SOURCE_CLEANUP_DESTDIR=%[1]s/cleanup
		ARCHES=(%[2]s) ALLOWED_LICENSES=()
		ACL=([root]="core core-testing extra extra-testing core-debug core-testing-debug extra-debug extra-testing-debug")
		VCS=git KEYRING=%[1]s/keyring GIT_PACKAGING_REPOS_URL=%[1]s/packages GIT_STATE_REPO=%[1]s/state-repo GIT_PACKAGES_CACHE=%[1]s/cache GITUSER= AUTHORS=%[1]s/authors
		LOCK_DELAY=1
	`, dir, strings.Join(arches, " ")))
	// makepkg does not run as root, and here everybody is.
	d.write("packager/makepkg", "#!/bin/sh\nexec unshare --user --map-user=1000 --map-group=1000 /usr/bin/makepkg \"$@\"\n")
	for _, script := range []string{"db-update", "db-move", "cron-jobs/sourceballs"} {
		d.write("home/"+filepath.Base(script), "#!/bin/sh\nHOME="+d.at("home")+" DBSCRIPTS_CONFIG="+d.at("config.local")+" exec "+scripts+"/"+script+" \"$@\"\n")
	}
	d.sshd()
	return d
}

func (d *distribution) at(name string) string { return filepath.Join(d.dir, name) }

func (d *distribution) write(name, text string) {
	d.t.Helper()
	if err := os.MkdirAll(filepath.Dir(d.at(name)), 0o755); err != nil {
		d.t.Fatal(err)
	}
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
	d.write("ssh_config", fmt.Sprintf("Host repos repos.archlinux.org\nHostName 127.0.0.1\nPort %d\nUser root\nIdentityFile %s\nIdentitiesOnly yes\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\nConnectionAttempts 30\n", port, d.at("client")))
	// pkgctl knows one host of projects.
	d.write("bin/ssh", "#!/bin/bash\nexec /usr/bin/ssh -F "+d.at("ssh_config")+" \"${@/#git@gitlab.archlinux.org/repos}\"\n")
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

// serve starts a server with a worker for each architecture, and returns the option --remote. The
// targets lack what all of them have: packagers and keys.
func (d *distribution) serve(targets ...string) (remote string) {
	d.t.Helper()
	args := []string{
		"--data-dir", d.at("data"), "--sources", "dir:" + d.at("sources"), "--sync-period", "1s", "--debounce", "1s", "--base-period", "1s",
		"--architectures", strings.Join(d.arches, ","),
		"--base-repo", "extra-testing=file://" + d.at("ftp/extra-testing/os/$arch"), "--base-repo", "extra=file://" + d.at("ftp/extra/os/$arch"),
	}
	for _, target := range targets {
		args = append(args, "--target", target+",packagers=example.org,sign=required,keys="+d.at("keys.asc"))
	}
	server, err := cmdtest.StartServer(d.t.Context(), "", cmdtest.Spec{Args: args, Dir: d.dir, Env: d.environment, Log: d.at("server.log")})
	if err != nil {
		d.t.Fatal(err)
	}
	d.environment = append(d.environment, "BUILDBTW_SERVER_URL="+server.URL)
	d.t.Cleanup(func() {
		if d.t.Failed() {
			d.t.Log(server.Log())
		}
		_, _ = server.Stop(10 * time.Second)
	})
	for _, arch := range d.arches {
		worker, err := cmdtest.Start(cmdtest.Spec{
			Args: []string{"buildbtw-worker", "run", "--runner", "makepkg", "--architectures", arch, "--name", arch, "--work-dir", d.at("work-" + arch), "--packager", packager},
			Dir:  d.dir, Env: d.environment, Log: d.at("worker-" + arch + ".log"),
		})
		if err != nil {
			d.t.Fatal(err)
		}
		d.t.Cleanup(func() {
			if d.t.Failed() {
				d.t.Log(worker.Log())
			}
			_, _ = worker.Stop(10 * time.Second)
		})
	}
	return "--remote '" + d.at("packages/{project}.git") + "'"
}

// handOver releases a buildspace to a target as its packager does. Its packages go into a
// repository.
func (d *distribution) handOver(space, target, id, repository, remote string) {
	d.t.Helper()
	d.says(true, "timeout 400 bbtw wait "+space+" && bbtw release "+space+" --to "+target+" --yes", "waits for signatures: bbtw release sign "+id)
	d.says(true, "bbtw release sign "+id+" --yes && bbtw release push "+id+" --pause 0s "+remote, "pushed")
	d.bash("for source in sources/*; do git -C $source pull -q --ff-only; done")
	before := d.state()
	d.says(true, "for i in {1..60}; do bbtw release fetch "+id+" staging"+id+" --run --yes "+remote+" && exit; sleep 1; done; exit 1", "release "+id+": released ")
	set := map[string]bool{}
	files, err := filepath.Glob(d.at("staging" + id + "/" + repository + "/*.pkg.tar.zst"))
	if err != nil || len(files) == 0 {
		d.t.Fatalf("release %s has no files in staging: %v", id, err)
	}
	for _, name := range files {
		set[filepath.Base(name)] = true
	}
	for _, arch := range d.arches {
		d.wants(before, arch, repository, func(p listed) bool { return set[p.one("FILENAME")] })
	}
}

// listed is the fields of a package in a database.
type listed map[string][]string

func (p listed) one(field string) string { return strings.Join(p[field], " ") }

// state is what the repositories have: packages by name, of architecture/repository.
type state map[string]map[string]listed

// state reads the databases as they lie there, and compares each file with its digest.
func (d *distribution) state() state {
	d.t.Helper()
	s := state{}
	for _, arch := range d.arches {
		for _, repository := range []string{"extra", "extra-testing"} {
			all := map[string]listed{}
			text := d.bash("cd ftp/" + repository + "/os/" + arch + "; bsdtar -xOf " + repository + ".db")
			for _, desc := range strings.Split("\n"+text, "\n%FILENAME%\n")[1:] {
				p := listed{}
				for _, block := range strings.Split("%FILENAME%\n"+desc, "\n\n") {
					if lines := strings.Split(strings.TrimSpace(block), "\n"); len(lines) > 1 {
						p[strings.Trim(lines[0], "%")] = lines[1:]
					}
				}
				all[p.one("NAME")] = p
				if got := strings.Fields(d.bash("sha256sum 'ftp/" + repository + "/os/" + arch + "/" + p.one("FILENAME") + "'"))[0]; got != p.one("SHA256SUM") {
					d.t.Errorf("%s of %s is not the file that the database lists", p.one("FILENAME"), repository)
				}
			}
			s[arch+"/"+repository] = all
		}
	}
	return s
}

// missing returns what packages miss that users of these repositories see, the first of a name.
func (s state) missing(arch string, repositories ...string) map[string]bool {
	view, missing := map[string]listed{}, map[string]bool{}
	for _, repository := range slices.Backward(repositories) {
		maps.Copy(view, s[arch+"/"+repository])
	}
	for name, p := range view {
		for _, need := range p["DEPENDS"] {
			if !slices.ContainsFunc(slices.Collect(maps.Values(view)), func(o listed) bool { return o.one("NAME") == need || slices.Contains(o["PROVIDES"], need) }) {
				missing[name+" needs "+need] = true
			}
		}
	}
	return missing
}

// wants checks that a repository has what it had without what was replaced, and the packages that
// came, and that nobody misses anything new.
func (d *distribution) wants(before state, arch, repository string, came func(listed) bool) {
	d.t.Helper()
	now, bases := d.state(), map[string]bool{}
	want, got := map[string]bool{}, map[string]bool{}
	for _, p := range now[arch+"/"+repository] {
		got[p.one("FILENAME")] = true
		if came(p) {
			want[p.one("FILENAME")], bases[p.one("BASE")] = true, true
		}
	}
	for _, p := range before[arch+"/"+repository] {
		if !bases[p.one("BASE")] {
			want[p.one("FILENAME")] = true
		}
	}
	if len(bases) == 0 || !maps.Equal(got, want) {
		d.t.Errorf("%s for %s has %v instead of %v", repository, arch, got, want)
	}
	for _, view := range [][]string{{"extra"}, {"extra-testing", "extra"}} {
		was := before.missing(arch, view...)
		for line := range now.missing(arch, view...) {
			if !was[line] {
				d.t.Errorf("for users of %v on %s, %s, and nothing has it", view, arch, line)
			}
		}
	}
}

// TestRealDbUpdate: two releases of packages that the real makepkg made, the first of new
// ones into extra, the second of a changed library with
// what was rebuilt with it.
func TestRealDbUpdate(t *testing.T) {
	d := newDistribution(t, "x86_64")
	d.source("calc", fmt.Sprintf(library, "1"))
	d.source("sum", program)
	d.source("words", words)
	remote := d.serve("extra=pkgctl:repos,new=extra")

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

// TestRealDbMove: two architectures, a release into testing, and what a packager moves from
// there. What needs a new library does not go before it is moved.
func TestRealDbMove(t *testing.T) {
	d := newDistribution(t, "x86_64", "aarch64")
	both := func(pkgbuild string) string {
		return strings.ReplaceAll(pkgbuild, "arch=(x86_64)", "arch=(x86_64 aarch64)")
	}
	d.source("calc", both(fmt.Sprintf(library, "1")))
	d.source("sum", both(program))
	d.source("words", words)
	remote := d.serve("extra=pkgctl:repos,new=extra", "extra-testing=pkgctl:repos,suffix=testing")
	has := func(repository string, packages ...string) {
		t.Helper()
		for _, arch := range d.arches {
			d.says(true, "bsdtar -tf ftp/"+repository+"/os/"+arch+"/"+repository+".db", packages...)
		}
	}

	d.bash("bbtw new calc -n first --scope all --yes")
	d.handOver("first", "extra", "1", "extra", remote)
	has("extra", "calc-1-1/desc", "calc-tools-1-1/desc", "sum-1-1/desc", "words-1:2.0-1/desc")
	d.says(true, "cat state-repo/extra-{x86_64,aarch64}/calc state-repo/extra-any/words", "calc 1-1 1-1 ", "words 1:2.0-1 1-2.0-1 ")

	d.source("calc", both(fmt.Sprintf(library, "2")))
	d.bash("bbtw new calc -n second --yes")
	d.handOver("second", "extra-testing", "2", "extra-testing", remote)
	has("extra-testing", "calc-2-1/desc", "sum-1-2/desc")
	has("extra", "calc-1-1/desc", "sum-1-1/desc")

	// While testing has them, nothing goes past it.
	d.source("calc", both(fmt.Sprintf(library, "3")))
	d.says(true, "bbtw new calc -n third --yes && timeout 300 bbtw wait third; bbtw release third --to extra --dry-run", "extra-testing has calc 2-1, which is on its way into extra")

	// A packager moves them; the release stays what it is, and the next one goes on from there.
	before := d.state()
	d.says(true, "ssh -- repos db-move extra-testing extra calc sum", "Moving packages from [extra-testing] to [extra]", "(aarch64)")
	has("extra", "calc-2-1/desc", "sum-1-2/desc")
	for _, arch := range d.arches {
		d.wants(before, arch, "extra", func(p listed) bool { return p.one("BASE") == "calc" || p.one("BASE") == "sum" })
	}
	d.says(false, "bsdtar -tf ftp/extra-testing/os/aarch64/extra-testing.db | grep calc")
	d.says(true, `for i in {1..60}; do bbtw release third --to extra --dry-run | grep -q 'on its way' || exit 0; sleep 1; done; exit 1`)
	d.says(true, "curl -s $BUILDBTW_SERVER_URL/api/v1/releases/2", `"state":"released"`)
	d.says(true, "bbtw check extra")
	d.handOver("third", "extra", "3", "extra", remote)
	has("extra", "calc-3-1/desc", "sum-1-3/desc")

	// The source packages can be made of what was tagged.
	d.says(true, "ssh -- repos sourceballs; ls ftp/pool/sources", "calc-3-1.src.tar.gz", "words-1:2.0-1.src.tar.gz")
}

// TestRealPkgctlRelease: the same packages, tags and commits go by the programs that packagers
// have, in a clone of the project.
func TestRealPkgctlRelease(t *testing.T) {
	devtools := os.Getenv("BUILDBTW_DEVTOOLS")
	if devtools == "" {
		t.Skip("this needs devtools: BUILDBTW_DEVTOOLS names a checkout in which make was run")
	}
	d := newDistribution(t, "x86_64")
	d.bash(`
		git init -q --bare packages/words.git; git clone -q packages/words.git sources/words
		mkdir sources/words/LICENSES; touch sources/words/REUSE.toml; cp ` + devtools + `/data/LICENSE sources/words; ln -s ../LICENSE sources/words/LICENSES/0BSD.txt; chmod -R a+rwX sources/words`)
	d.source("words", strings.Replace(words, "depends=(calc)\n", "", 1))
	remote := d.serve("extra=pkgctl:repos,new=extra")
	d.says(true, "bbtw new words -n first --yes && timeout 300 bbtw wait first && bbtw release first --yes", "waits for signatures: bbtw release sign 1")
	d.says(true, "bbtw release sign 1 --yes && bbtw release push 1 --pause 0s "+remote, "words 1:2.0-1: pushed")
	d.says(true, "for i in {1..60}; do bbtw release fetch 1 bundle "+remote+" && exit; sleep 1; done; exit 1", "1 package in")
	// devtools looks for licences with a program of its own, and for repositories in a cache.
	d.write("packager/reuse", "#!/bin/sh\n")
	d.says(true, `
		git clone -q git@gitlab.archlinux.org:archlinux/packaging/packages/words.git clone/words && cd clone/words && chmod -R a+rwX ..
		git config devtools.version 2 && git config devtools.variant canonical
		cp "$PKGCTL_DIR"/bundle/extra/* .
		mkdir -p "$HOME/.cache/devtools/pacman/db"
		export PATH="$PKGCTL_DIR/packager:`+devtools+`/build/bin:$PATH" _DEVTOOLS_LIBRARY_DIR=`+devtools+`/build XDG_RUNTIME_DIR="$PKGCTL_DIR/runtime" GIT_EDITOR=false
		pkgctl release --repo extra --db-update`, "Releasing words to extra", "Updating [extra]")
	d.says(true, "bsdtar -tf ftp/extra/os/x86_64/extra.db", "words-1:2.0-1/desc")
	d.says(true, `for i in {1..60}; do curl -s $BUILDBTW_SERVER_URL/api/v1/releases/1 | grep '"state":"released"' && exit; sleep 1; done; exit 1`)
}

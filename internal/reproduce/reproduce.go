// Package reproduce writes the commands by which a person repeats a build of an iteration
// without buildbtw. Each is a whole script for bash, to be
// read and run, in a directory of its own below the one where it is started.
package reproduce

import (
	"fmt"
	"strings"

	"buildbtw"
	"buildbtw/internal/shell"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// Build has the properties of a build that the commands depend on. Names in it were checked when they
// came in, and are quoted all the same.
type Build struct {
	name         string // of buildspace, iteration and package, for people
	pkgbase      string
	source       string // its name
	commit       string
	architecture string
	noCheck      bool
	tree         string // URL of the tree of the commit, as a tar
	section      string // of pacman.conf, for the iteration's repository; empty for a build on the base alone
}

// Of returns a build that is served at a URL, with its JSON API below prefix.
func Of(row store.BuildRow, server, prefix string) Build {
	b := Build{
		name: fmt.Sprintf("%s #%d, %s %s", row.Buildspace, row.Iteration, row.Pkgbase, row.Version), pkgbase: row.Pkgbase,
		source: row.Source, commit: row.Commit, architecture: row.Architecture, noCheck: row.NoCheck,
		tree:    fmt.Sprintf("%s%s/builds/%d/source", server, prefix, row.ID),
		section: pacmanrepo.PacmanConf(row.Buildspace, server, buildbtw.RepositoryName(row.Buildspace, row.Iteration)),
	}
	if row.BaselineID != 0 {
		b.name, b.section = buildbtw.BaselineName(row.Pkgbase)+" "+row.Version, ""
	}
	return b
}

// enter makes a directory with the tree of the commit, and enters it. The files have the
// commit's time, which is the build's SOURCE_DATE_EPOCH.
func (b Build) enter() string {
	dir := shell.Quote(b.source + "-" + b.commit[:min(len(b.commit), 12)])
	return fmt.Sprintf(`# %s: %s at commit %s
set -eu
mkdir %[4]s
cd %[4]s
curl -fsS %[5]s | tar -x
# or in your clone of the source: git fetch --all && git checkout --detach %[3]s
`, b.name, b.source, b.commit, dir, shell.Quote(b.tree))
}

// conf writes pacman's settings with the iteration's repository before all others: the
// first that has a package wins, and repositories may stand before [options].
func (b Build) conf(settings string) string {
	if b.section == "" {
		return fmt.Sprintf("cat %s > pacman.conf\n", settings)
	}
	return fmt.Sprintf("cat > pacman.conf <<'END'\n%s\nEND\ncat %s >> pacman.conf\n", strings.TrimSpace(b.section), settings)
}

func (b Build) multilib() bool { return strings.HasPrefix(b.pkgbase, "lib32-") }

// Makepkg returns the commands for a machine or container of Arch Linux that may be
// upgraded to the iteration's packages. The settings of its pacman stay as they are.
func (b Build) Makepkg() string {
	options := "--syncdeps --cleanbuild --force"
	if b.noCheck {
		options += " --nocheck"
	}
	return b.enter() + b.conf("/etc/pacman.conf") + `cat > pacman <<END
#!/bin/bash
exec $(type -P pacman) --config '$PWD/pacman.conf' "\$@"
END
chmod +x pacman
sudo ./pacman -Syu --noconfirm
PACMAN=$PWD/pacman SOURCE_DATE_EPOCH=$(stat -c %Y PKGBUILD) CARCH=` + shell.Quote(b.architecture) + " makepkg --noconfirm " + options + "\n"
}

// Devtools returns the commands for a clean chroot, as the runner pkgctl makes one.
func (b Build) Devtools() string {
	program, name, template := "buildbtw-"+b.architecture+"-build", "buildbtw.conf", "extra.conf"
	if b.multilib() {
		program, name, template = "multilib-buildbtw-build", "multilib-buildbtw.conf", "multilib.conf"
	}
	more := ""
	if b.noCheck {
		more = " -- -- --nocheck"
	}
	return b.enter() + b.conf("/usr/share/devtools/pacman.conf.d/"+template) + fmt.Sprintf(`sudo install -m644 pacman.conf /usr/share/devtools/pacman.conf.d/%[1]s
sudo ln -sfn /usr/bin/archbuild /usr/local/bin/%[2]s
SOURCE_DATE_EPOCH=$(stat -c %%Y PKGBUILD) %[2]s -c%[3]s
`, name, program, more)
}

// VM returns the commands for a virtual machine of vmexec that is thrown away: those of
// Makepkg, by a user of the guest. The packages come to the directory "packages".
func (b Build) VM() string {
	return fmt.Sprintf(`set -eu
mkdir -p job packages
cat > job/makepkg.sh <<'SCRIPT'
%sSCRIPT
cat > job/guest.sh <<'GUEST'
set -eu
pacman -Syu --noconfirm --needed base-devel sudo
useradd -m builder
echo 'builder ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/builder
install -d -o builder /tmp/packages
su -l builder -c 'PKGDEST=/tmp/packages bash /job/makepkg.sh'
cp /tmp/packages/* /packages/
GUEST
vmexec run --rm --pull missing -v "$PWD/job:/job:ro" -v "$PWD/packages:/packages" archlinux -- bash /job/guest.sh
`, b.Makepkg())
}

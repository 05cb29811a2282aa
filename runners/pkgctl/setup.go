package pkgctl

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"buildbtw/infrastructure"
	"buildbtw/internal/shell"
	"buildbtw/pacman/srcinfo"
	"buildbtw/runners"
)

// around is the script that calls chroot.sh's functions on a machine that has other uses,
// too.
//
//go:embed place.sh
var around string

// setup has the properties of a job that the scripts depend on.
type setup struct {
	job       runners.Job
	users     string
	places    string // directory of the chroots for the architecture
	template  string // devtools' pacman.conf
	makepkg   string // devtools' makepkg.conf
	depends   []string
	arguments []string // of makepkg
}

// Files and directories in the job's own.
func (s setup) conf() string    { return filepath.Join(s.job.Work, "pacman.conf") }
func (s setup) keys() string    { return filepath.Join(s.job.Work, "gnupg") }
func (s setup) sources() string { return filepath.Join(s.job.Work, "srcdest") }

// installed is where the script lists what was installed in the chroot.
func (s setup) installed() string { return filepath.Join(s.job.Work, "installed") }

// slot is the name of the copy of a chroot in which something is built.
const slot = "build"

// written returns the directories that the build writes to, once it has a chroot.
func (s setup) written() []string {
	chroot := filepath.Join(s.job.Work, "chroot") // a link
	return []string{filepath.Join(chroot, slot), filepath.Join(chroot, "job")}
}

// setupFor writes the pacman configuration of a job.
func (r *Runner) setupFor(job runners.Job, info *srcinfo.Info) (setup, error) {
	s := setup{
		job: job, users: r.options.Users,
		places:   filepath.Join(r.options.Chroots, "buildbtw", job.Architecture),
		template: r.settings("pacman.conf.d", "extra", job.Architecture, "extra"),
		makepkg:  r.settings("makepkg.conf.d", "extra", job.Architecture, job.Architecture),
	}
	conf := s.template
	s.depends = slices.Concat(info.Base.Depends.For(job.Architecture), info.Base.MakeDepends.For(job.Architecture))
	if strings.HasPrefix(job.Pkgbase, "lib32-") {
		s.depends = append(s.depends, "multilib-devel")
		conf = r.settings("pacman.conf.d", "multilib", job.Architecture, "multilib")
	}
	if job.NoCheck {
		s.arguments = append(s.arguments, "--nocheck")
	} else {
		s.depends = append(s.depends, info.Base.CheckDepends.For(job.Architecture)...)
	}
	if !info.Allows(job.Architecture) { // so the server was told to ignore that
		s.arguments = append(s.arguments, "--ignorearch")
	}
	template, err := os.ReadFile(conf)
	if err != nil {
		return s, fmt.Errorf("read devtools' pacman.conf: %w", err)
	}
	text, err := pacmanConf(string(template), job.Repository.Name, job.Repository.URL)
	if err != nil {
		return s, err
	}
	if err := os.Mkdir(s.keys(), 0o700); err != nil {
		return s, fmt.Errorf("make the keyring: %w", err)
	}
	if err := os.WriteFile(s.conf(), []byte(text), 0o644); err != nil {
		return s, fmt.Errorf("write pacman.conf: %w", err)
	}
	return s, nil
}

// settings returns the file that archbuild takes for a repository and an architecture,
// or else the general one.
func (r *Runner) settings(dir, repository, architecture, general string) string {
	file := filepath.Join(r.options.DataDir, dir, repository+"-"+architecture+".conf")
	if _, err := os.Stat(file); err == nil {
		return file
	}
	return filepath.Join(r.options.DataDir, dir, general+".conf")
}

// script returns the script that builds.
func (s setup) script() string {
	text, _ := infrastructure.GuestScript("chroot") // it is part of the program
	var b strings.Builder
	b.WriteString(text)
	b.WriteString(around)
	for _, variable := range []struct{ name, value string }{
		{"places", s.places},
		{"template", s.template},
		{"conf", s.conf()},
		{"makepkg", s.makepkg},
		{"users", s.users},
		{"tree", s.job.Tree},
		{"sources", s.sources()},
		{"keys", s.keys()},
		{"output", s.job.Output},
		{"installed", s.installed()},
		{"work", s.job.Work},
		{"slot", slot},
		{"repository", s.job.Repository.Name},
	} {
		fmt.Fprintf(&b, "%s=%s\n", variable.name, shell.Quote(variable.value))
	}
	for _, list := range []struct {
		name   string
		values []string
	}{{"depends", s.depends}, {"arguments", s.arguments}} {
		fmt.Fprintf(&b, "%s=(", list.name)
		for _, value := range list.values {
			b.WriteString(shell.Quote(value) + " ")
		}
		b.WriteString(")\n")
	}
	b.WriteString("keep build\n")
	return b.String()
}

var cacheDir = regexp.MustCompile(`^#?\s*CacheDir\b`)

// pacmanConf puts the iteration's section before all others, because pacman
// takes the first repository that has a name, whatever the version. The section
// has its own SigLevel: devtools' default refuses unsigned packages. There is one line
// CacheDir, which arch-nspawn changes.
func pacmanConf(template, name, url string) (string, error) {
	if strings.ContainsAny(name, "\n\r[]") {
		return "", fmt.Errorf("the repository's name %q cannot stand in pacman.conf", name)
	}
	var b strings.Builder
	done := false
	for line := range strings.Lines(template) {
		section := strings.TrimSpace(line)
		switch {
		case cacheDir.MatchString(section):
			continue
		case section == "[options]":
			line += "CacheDir = /var/cache/pacman/pkg/\n"
		case section == "["+name+"]":
			return "", fmt.Errorf("the buildspace is called %s, as a repository of the distribution is: give it another name", name)
		}
		if !done && strings.HasPrefix(section, "[") && section != "[options]" {
			fmt.Fprintf(&b, "[%s]\nSigLevel = Never\nServer = %s\n\n", name, url)
			done = true
		}
		b.WriteString(line)
	}
	if !done {
		return "", errors.New("devtools' pacman.conf names no repository")
	}
	return b.String(), nil
}

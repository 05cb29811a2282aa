package pkgctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"buildbtw/internal/proc"
	"buildbtw/runners"
)

// setup is the name and configuration with which archbuild is called for a job.
// archbuild derives both its pacman configuration and its chroot from its own
// name.
type setup struct {
	program  string // name of the link to archbuild
	conf     string // of the pacman configuration
	template string // devtools' configuration that ours extends
}

func setupFor(job runners.Job) setup {
	if strings.HasPrefix(job.Pkgbase, "lib32-") { // archbuild adds multilib-devel to chroots so named
		return setup{program: "multilib-buildbtw-build", conf: "multilib-buildbtw.conf", template: "multilib.conf"}
	}
	return setup{program: "buildbtw-" + job.Architecture + "-build", conf: "buildbtw.conf", template: "extra.conf"}
}

// install writes our pacman configuration and the name of archbuild that uses
// it, as root where need be.
func (r *Runner) install(ctx context.Context, s setup, job runners.Job) error {
	template, err := os.ReadFile(filepath.Join(r.options.ConfDir, s.template))
	if err != nil {
		return fmt.Errorf("read devtools' pacman.conf: %w", err)
	}
	conf, err := pacmanConf(string(template), job.Repository.Name, job.Repository.URL)
	if err != nil {
		return err
	}
	draft := filepath.Join(job.Work, s.conf)
	if err := os.WriteFile(draft, []byte(conf), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", s.conf, err)
	}
	if err := r.sudo(ctx, "install", "-m644", "--", draft, filepath.Join(r.options.ConfDir, s.conf)); err != nil {
		return err
	}
	return r.sudo(ctx, "ln", "-sfn", "--", r.options.Archbuild, filepath.Join(r.options.BinDir, s.program))
}

// pacmanConf puts the iteration's section before all others, because pacman
// takes the first repository that has a name, whatever the version. The section
// has its own SigLevel: devtools' default refuses unsigned packages.
func pacmanConf(template, name, url string) (string, error) {
	if strings.ContainsAny(name+url, "\n\r[]") {
		return "", fmt.Errorf("the repository's name %q or address %q cannot stand in pacman.conf", name, url)
	}
	var b strings.Builder
	done := false
	for line := range strings.Lines(template) {
		section := strings.TrimSpace(line)
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

// sudo runs a short command as root.
func (r *Runner) sudo(ctx context.Context, args ...string) error {
	var said bytes.Buffer
	exit, err := runners.Command{
		Args:   append(append([]string{}, r.options.Sudo...), args...),
		Env:    []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C.UTF-8"},
		Output: &said,
	}.Run(ctx)
	if err == nil && !exit.Success() {
		err = fmt.Errorf("%s: %s", exit, strings.TrimSpace(said.String()))
	}
	if err != nil {
		return fmt.Errorf("run %s as root: %w", args[0], err)
	}
	return nil
}

// signal sends a signal to a process group that runs as root, through sudo.
func (r *Runner) signal(pgid int, s syscall.Signal) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := r.sudo(ctx, "kill", fmt.Sprintf("-%d", int(s)), "--", fmt.Sprintf("-%d", pgid)); err != nil {
		proc.Signal(pgid, s) // at least our own processes
	}
}

package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"buildbtw/cmd/internal/cli"
	"buildbtw/runners"
)

// Doctor checks whether a machine is ready to build.
type Doctor struct {
	Program  string
	Server   *Server
	Builders *Builders
	Log      cli.LogFlags

	Secrets []string // files that no build may read; those that are not there do not matter

	Directory      string // for builds, as it is called on the line of its check
	CheckDirectory func() error

	JSON bool // one document instead of lines
}

// Run prints a line per check, and what to do where one failed. It returns
// cli.ErrSilent when one did: everything has been said.
func (d Doctor) Run(ctx context.Context, out io.Writer) error {
	list, err := d.Builders.Make()
	if err != nil {
		return err
	}
	log, err := d.Log.New(os.Stderr)
	if err != nil {
		return err
	}
	checks := cli.Checklist{Out: out, JSON: d.JSON}
	checks.Report("server "+d.Server.URL, d.Server.Check(ctx, d.Program, log))
	checks.Report(d.Directory, d.CheckDirectory())
	checks.Report("secrets", CheckSecrets(list, d.Secrets))
	for _, r := range list {
		err := r.Probe(ctx)
		checks.Report("runner "+r.Name(), err)
		noter, ok := r.(runners.Noter)
		if !ok || err != nil {
			continue
		}
		for _, note := range noter.Notes() {
			if note.Warning {
				checks.Warn(r.Name(), note.Text)
			} else {
				checks.Note(r.Name(), note.Text)
			}
		}
	}
	return checks.End()
}

// roomWanted is the free space below which a machine is not ready to build, in
// bytes.
const roomWanted = 4 << 30

// CheckDirectory reports why builds cannot use a directory, which is created if
// it is missing: it must be writable, have free space, and allow execution.
func CheckDirectory(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	probe := filepath.Join(dir, ".doctor")
	if err := os.WriteFile(probe, []byte("ok"), 0o600); err != nil {
		return err
	}
	defer os.Remove(probe)
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return err
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < roomWanted {
		return fmt.Errorf("only %d MiB are free; builds need some GiB", free>>20)
	}
	if fs.Flags&unix.ST_NOEXEC != 0 {
		return errors.New("it is mounted noexec; builds run programs there")
	}
	return nil
}

package machine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"buildbtw/cmd/internal/cli"
)

// Doctor prints a line per check.
type Doctor struct {
	Out    io.Writer
	failed bool
}

// Report prints how a check went. The error says what to do.
func (d *Doctor) Report(what string, err error) {
	if err != nil {
		d.failed = true
		fmt.Fprintf(d.Out, "FAIL  %s: %v\n", what, err)
		return
	}
	fmt.Fprintf(d.Out, "ok    %s\n", what)
}

// Result is nil when every check went well. All has been said already.
func (d *Doctor) Result() error {
	if d.failed {
		return cli.ErrSilent
	}
	return nil
}

// roomWanted is what a machine should have for builds at least, in bytes.
const roomWanted = 4 << 30

// CheckDirectory makes a directory for builds if need be, writes to it, and
// looks how much room there is.
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

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"buildbtw/internal/ansi"
)

// terminal [-COLUMNS] FILE PROGRAM [ARGUMENT...] runs the program with a terminal as
// standard output, of 100 or so many columns, and writes what it shows there to the
// file, in the lines of a file. With columns, a line that does not fit is an error.
func (s *story) terminal(ts *testscript.TestScript, args []string) error {
	columns, checked := 100, false
	if len(args) > 0 && strings.HasPrefix(args[0], "-") {
		n, err := strconv.Atoi(args[0][1:])
		if err != nil {
			return err
		}
		columns, checked, args = n, true, args[1:]
	}
	if len(args) < 2 {
		return errors.New("usage: terminal [-COLUMNS] FILE PROGRAM [ARGUMENT...]")
	}
	ours, theirs, err := openTerminal(columns)
	if err != nil {
		return err
	}
	defer ours.Close()
	cmd := exec.CommandContext(s.ctx, args[1], args[2:]...)
	var errs bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.dir, s.environ(ts), theirs, &errs
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return err
	}
	var shown bytes.Buffer
	if _, err := shown.ReadFrom(ours); !errors.Is(err, syscall.EIO) { // what its end looks like when nobody has it open any more
		return fmt.Errorf("read the terminal: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, &errs)
	}
	text := strings.ReplaceAll(shown.String(), "\r\n", "\n")
	for line := range strings.Lines(text) {
		line = string(ansi.Visible([]byte(strings.TrimSuffix(line, "\n"))))
		if checked && utf8.RuneCountInString(line) > columns {
			return fmt.Errorf("a line has %d of %d columns:\n%s", utf8.RuneCountInString(line), columns, text)
		}
	}
	return os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644)
}

// openTerminal returns the two ends of a new terminal of so many columns (pts(4)).
func openTerminal(columns int) (ours, theirs *os.File, err error) {
	if ours, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			ours.Close()
		}
	}()
	fd := int(ours.Fd())
	if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, fmt.Errorf("unlock a terminal: %w", err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, nil, fmt.Errorf("find a terminal: %w", err)
	}
	if err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(columns)}); err != nil {
		return nil, nil, fmt.Errorf("size a terminal: %w", err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	return ours, theirs, err
}

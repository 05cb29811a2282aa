// Package cmdtest builds the programs and runs them as processes of their own,
// for tests of what people and machines meet: real servers, real workers, real
// signals. Only tests import it.
package cmdtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Programs are the programs that Build makes.
func Programs() []string {
	return []string{"buildbtw", "bbtw", "buildbtw-worker", "buildbtw-executor", "buildbtw-signer"}
}

// Build builds the programs into dir. Tests call it once, in TestMain.
func Build(dir string) error {
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	for _, name := range Programs() {
		args = append(args, "buildbtw/cmd/"+name)
	}
	cmd := exec.CommandContext(context.Background(), "go", args...)
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return nil
}

// Main builds the programs, puts them first on the PATH, and calls run. It gives
// the exit code for os.Exit.
//
// With -update, which only writes pages, nothing is built.
func Main(run func() int) int {
	flag.Parse()
	if *update {
		return run()
	}
	dir, err := os.MkdirTemp("", "buildbtw-programs-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	err = errors.Join(Build(dir), os.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state")), os.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH")))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return run()
}

// Root is the directory of the module, for tests that use the demo's sources.
func Root() (string, error) { return moduleRoot() }

func moduleRoot() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("the module's directory is not known")
	}
	return filepath.Join(filepath.Dir(file), "..", "..", ".."), nil
}

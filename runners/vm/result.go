package vm

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/runners"
)

// Names in the directory that a guest leaves.
const (
	resultName    = "result"
	packageDir    = "packages"
	installedName = "installed" // see runners.ReadInstalled
	maxResult     = 4 << 10     // bytes
	maxPackages   = 1000
)

// result is the result file of the guest's script: on the first line the exit
// code of the program that built, or one of the words failed, infrastructure
// and unreachable; on the second a reason, or the program's name. Lines
// "not-checked NAME" may follow, see runners.Result.
type result struct {
	code      int
	word      string // empty when there is a code
	reason    string
	unchecked []string
	installed []alpm.Installed
}

// readResult reads the result file. The guest may have put anything there.
func readResult(out string) (result, error) {
	root, err := os.OpenRoot(out)
	if err != nil {
		return result{}, err
	}
	defer func() { _ = root.Close() }() // nothing is lost with it
	f, err := openRegular(root, resultName)
	if err != nil {
		return result{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxResult))
	if err != nil {
		return result{}, err
	}
	r, err := parseResult(string(text))
	if list, missing := openRegular(root, installedName); missing == nil {
		defer list.Close()
		r.installed = runners.ReadInstalled(list)
	}
	return r, err
}

// openRegular opens a file that the guest has written.
func openRegular(root *os.Root, name string) (*os.File, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, errors.New("it has written none")
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("what it has written is no file")
	}
	return root.Open(name)
}

func parseResult(text string) (result, error) {
	first, rest, _ := strings.Cut(text, "\n")
	var reason []string
	r := result{}
	for line := range strings.Lines(strings.ToValidUTF8(rest, "�")) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "not-checked "); found {
			r.unchecked = append(r.unchecked, name)
			continue
		}
		reason = append(reason, line)
	}
	r.reason = strings.TrimSpace(strings.Join(reason, ""))
	switch first {
	case "failed", "infrastructure", "unreachable":
		r.word = first
		return r, nil
	}
	code, err := strconv.ParseUint(first, 10, 8)
	if err != nil {
		return result{}, fmt.Errorf("what it has written is no result: %.40q", first)
	}
	r.code = int(code)
	return r, nil
}

// judge returns the outcome for a guest's result, with reasons from the log.
func (r result) judge(watch *runners.LogWatch) runners.Result {
	switch {
	case r.word == "infrastructure":
		return runners.Infrastructure("in the guest: %s", r.reason)
	case r.word == "unreachable":
		return runners.Unreachable("in the guest: %s", r.reason)
	case r.word == "failed":
		return runners.Failed("%s", r.reason)
	case r.code == 0:
		return runners.Result{Outcome: buildbtw.OutcomeBuilt}
	}
	judged := runners.JudgeBuild(watch, fmt.Sprintf("%s exit code %d", r.reason, r.code))
	if r.reason == "devtools" {
		judged = runners.JudgeDevtools(watch, r.code, "")
	}
	judged.MemoryKnown = true // the script has asked the guest
	return judged
}

// collect moves the packages to the agent's output directory. The agent checks
// them; here only entries that are no regular files are left out.
func collect(g guest) error {
	dir := filepath.Join(g.out, packageDir)
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() { // none, or a link that leads elsewhere
		return nil //nolint:nilerr // a build without packages is found out later
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > maxPackages {
		return fmt.Errorf("there are %d files; a build has at most %d packages", len(entries), maxPackages)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		if err := os.Rename(filepath.Join(dir, e.Name()), filepath.Join(g.job.Output, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

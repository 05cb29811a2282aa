package runners

import (
	"bufio"
	"io"
	"os"
	"strings"

	"buildbtw/api"
	"buildbtw/pacman/alpm"
)

// LocalPackages returns the packages that a directory of pacman's local database lists;
// none when it cannot be read.
func LocalPackages(dir string) []alpm.Installed {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var list []alpm.Installed
	for _, e := range entries {
		if p, err := alpm.ParseInstalledEntry(e.Name()); err == nil { // else it is no package, such as ALPM_DB_VERSION
			list = append(list, p)
		}
	}
	return list
}

// ReadInstalled returns the packages that names of directories of pacman's local database
// stand for, one a line. What else there is in the text is left out: a build may have
// written it.
func ReadInstalled(r io.Reader) []alpm.Installed {
	var list []alpm.Installed
	lines := bufio.NewScanner(io.LimitReader(r, 2*api.MaxInstalledText))
	for lines.Scan() {
		if p, err := alpm.ParseInstalledEntry(lines.Text()); err == nil {
			list = append(list, p)
		}
	}
	return list
}

// WithInstalled returns a result with the packages that were installed when the build
// ran. Of a name that is in several lists the last one counts. Too many are as good as
// none: half a list would tell of changes that never were.
func (r Result) WithInstalled(lists ...[]alpm.Installed) Result {
	list := alpm.MergeInstalled(lists...)
	lines := make([]string, len(list))
	for i, p := range list {
		lines[i] = p.String()
	}
	r.Installed = strings.Join(lines, "\n")
	if len(list) > api.MaxInstalled || len(r.Installed) > api.MaxInstalledText {
		r.Installed = ""
	}
	return r
}

// installed returns the lines of Installed.
func (r Result) installed() []string {
	if r.Installed == "" {
		return nil
	}
	return strings.Split(r.Installed, "\n")
}

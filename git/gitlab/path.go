package gitlab

import (
	"regexp"
	"slices"
)

// pathRules are devtools' rules (gitlab_project_name_to_path of devtools 1.5.0),
// in their order. GitLab allows fewer characters in a path than pacman in a
// name, and keeps "tree" for itself.
var pathRules = []struct { //nolint:gochecknoglobals // a table of rules
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`([a-zA-Z0-9]+)\+([a-zA-Z]+)`), "$1-$2"},
	{regexp.MustCompile(`\+`), "plus"},
	{regexp.MustCompile(`[^a-zA-Z0-9_.-]`), "-"},
	{regexp.MustCompile(`[_-]{2,}`), "-"},
	{regexp.MustCompile(`^tree$`), "unix-tree"},
}

// PathOf gives the path of the project for a pkgbase: gtk+ is at gtkplus.
func PathOf(pkgbase string) string {
	for _, rule := range pathRules {
		pkgbase = rule.pattern.ReplaceAllString(pkgbase, rule.with)
	}
	return pkgbase
}

// Names leads back from the paths of projects to the names that they stand for.
// The rules lose what they replace, so only known names are found.
type Names map[string][]string

// NewNames prepares the way back to these pkgbases.
func NewNames(pkgbases []string) Names {
	names := make(Names, len(pkgbases))
	for _, name := range pkgbases {
		path := PathOf(name)
		if !slices.Contains(names[path], name) {
			names[path] = append(names[path], name)
		}
	}
	return names
}

// Of gives the pkgbases whose project has that path: none when no known one has,
// several when they would be the same project.
func (n Names) Of(path string) []string { return n[path] }

package pacmanrepo

import (
	"path/filepath"
	"strconv"
	"strings"

	"buildbtw"
)

// maxName leaves room within the 255 bytes of a file name for the prefixes and
// suffixes that the writer adds.
const maxName = 230

// checkName refuses what could leave its directory, be hidden, be an option to
// a program, or break a line of pacman.conf or of a database.
func checkName(what, name string) error {
	switch {
	case name == "":
		return buildbtw.Invalid("a %s name is missing", what)
	case len(name) > maxName:
		return buildbtw.Invalid("the %s name %.40q… has %d characters; at most %d are allowed", what, name, len(name), maxName)
	case name[0] == '.' || name[0] == '-' || strings.ContainsFunc(name, unsafeRune):
		return buildbtw.Invalid("%q is no %s name; use letters, digits and @ . _ + - : ~, and begin with none of . and -", name, what)
	}
	return nil
}

// unsafeRune allows what pkgnames and versions are made of, and the epoch's colon.
func unsafeRune(c rune) bool {
	letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	return !letter && !strings.ContainsRune("@._+-:~^", c)
}

func (id ID) check() error {
	if err := checkName("repository", id.Repository); err != nil {
		return err
	}
	if err := checkName("architecture", id.Architecture); err != nil {
		return err
	}
	// pacman.conf(5): [options] holds settings, and libalpm calls the installed
	// packages "local".
	if id.DB == "local" || id.DB == "options" {
		return buildbtw.Invalid("pacman keeps the name %q for itself; choose another name", id.DB)
	}
	return checkName("database", id.DB)
}

// kinds lists the two databases of a repository: what pacman installs from, and
// the same with the lists of files for `pacman -F`.
func kinds() [2]string { return [2]string{mainDB: "db", filesDB: "files"} }

// Where each of the two stands in kinds.
const (
	mainDB = iota
	filesDB
)

// archiveName is the file that repo-add writes behind DB.db or DB.files.
func archiveName(db, kind string) string { return db + "." + kind + ".tar.zst" }

func (r *Repos) archDir(repository, architecture string) string {
	return filepath.Join(r.dir, repository, "os", architecture)
}

func (r *Repos) attemptDir(attempt int64) string {
	return filepath.Join(r.opts.Staging, strconv.FormatInt(attempt, 10))
}

package fetch

import (
	"os"
	"path/filepath"
	"strings"

	"buildbtw/pacman/srcinfo"
	"buildbtw/runners"
)

// KeyDir is where a source has the PGP keys with which its signatures are verified.
const KeyDir = "keys/pgp"

// Signatures returns the files of keys that a job's source brings along, relative
// to its tree, and why its signatures cannot be verified with them; empty when
// they can, or when there are none. Links are left out: they could lead anywhere.
func Signatures(info *srcinfo.Info, job runners.Job) (keys []string, unverified string) {
	entries, _ := os.ReadDir(filepath.Join(job.Tree, KeyDir)) // none: no keys
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), ".asc") {
			names = append(names, e.Name())
			keys = append(keys, filepath.Join(KeyDir, e.Name()))
		}
	}
	return keys, info.Unverified(job.Architecture, names)
}

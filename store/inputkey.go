package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"buildbtw"
	"buildbtw/pacman/alpm"
)

// madeFrom is a dependency of a build as it goes into the build's input key.
// One that was skipped as unchanged is not among them: the base's package is
// used, as with everything outside the set.
type madeFrom struct {
	pkgbase string
	stage   int
	output  string // its output digest; empty when it is not known
}

// inputKey digests what a build is made from (domain.md, "Iterations"). The
// dependencies are sorted by pkgbase, then stage. The key is empty, and equals
// nothing, when the output of a dependency is not known: it was built before
// output digests were kept.
func inputKey(b *buildbtw.Build, deps []madeFrom) string {
	var text strings.Builder
	fmt.Fprintf(&text, "input 1\n%s %s %s %d %t\n", b.Pkgbase, b.Commit, b.Architecture, b.Stage, b.NoCheck)
	for _, d := range deps {
		if d.output == "" {
			return ""
		}
		fmt.Fprintf(&text, "%s %d %s\n", d.pkgbase, d.stage, d.output)
	}
	sum := sha256.Sum256([]byte(text.String()))
	return hex.EncodeToString(sum[:])
}

// outputDigest is what a build's packages are to those that are built with it.
func outputDigest(files []buildbtw.Package) string {
	sums := make(map[string]string, len(files))
	for _, f := range files {
		sums[f.Filename] = f.SHA256
	}
	return alpm.OutputDigest(sums)
}

// inputKeys computes the keys of builds that wait for nothing, as SQL takes them:
// json_each(?) gives arrays of the id and the key. A twin's key is empty: the
// build that does its work has it.
func (t *tx) inputKeys(ctx context.Context, ids []int64) (string, error) {
	deps, err := t.dependencyOutputs(ctx, ids)
	if err != nil {
		return "", err
	}
	var builds []buildbtw.Build
	err = t.list(ctx, &builds, `SELECT b.id, b.pkgbase, b.commit_id, b.architecture, b.stage, b.no_check, b.twin_of
FROM json_each(?) AS k CROSS JOIN builds AS b ON b.id = k.value`, idList(ids))
	if err != nil {
		return "", fmt.Errorf("read the inputs of %d builds: %w", len(ids), err)
	}
	keys := make([][2]any, len(builds))
	for i := range builds {
		b := &builds[i]
		keys[i] = [2]any{b.ID, ""}
		if b.TwinOf == 0 {
			keys[i][1] = inputKey(b, deps[b.ID])
		}
	}
	list, err := json.Marshal(keys)
	return string(list), err
}

// setInputKeys writes the keys of builds that wait for nothing.
func (t *tx) setInputKeys(ctx context.Context, ids []int64) error {
	keys, err := t.inputKeys(ctx, ids)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE builds SET input_key = k.value ->> 1 FROM json_each(?) AS k WHERE builds.id = k.value ->> 0`, keys)
	if err != nil {
		return fmt.Errorf("write the input keys of %d builds: %w", len(ids), err)
	}
	return nil
}

// dependencyOutputs gives for each build what it is made from.
func (t *tx) dependencyOutputs(ctx context.Context, ids []int64) (map[int64][]madeFrom, error) {
	var rows []struct {
		To      int64  `bun:"to_build"`
		Pkgbase string `bun:"pkgbase"`
		Stage   int    `bun:"stage"`
		Output  string `bun:"output_digest"`
	}
	err := t.list(ctx, &rows, `SELECT e.to_build, d.pkgbase, d.stage, d.output_digest FROM json_each(?) AS wanted
CROSS JOIN edges AS e ON e.to_build = wanted.value JOIN builds AS d ON d.id = e.from_build
WHERE d.status = 'built' ORDER BY e.to_build, d.pkgbase, d.stage`, idList(ids))
	if err != nil {
		return nil, fmt.Errorf("read the dependencies of %d builds: %w", len(ids), err)
	}
	deps := make(map[int64][]madeFrom, len(ids))
	for _, r := range rows {
		deps[r.To] = append(deps[r.To], madeFrom{r.Pkgbase, r.Stage, r.Output})
	}
	return deps, nil
}

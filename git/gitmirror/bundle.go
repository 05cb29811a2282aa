package gitmirror

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"buildbtw"
)

// BundleBranch is the branch that a bundle of a bump has.
const BundleBranch = "buildbtw"

// maxBundle bounds a bundle: a bump has a commit, a tree and two files.
const maxBundle = 16 << 20

// Bundle writes a bundle (git-bundle(1)) with a commit that was made here, for who has the
// commit that it was made from. Nothing has been written when the error is NotFound.
func (m *Mirror) Bundle(ctx context.Context, commit, parent string, w io.Writer) error {
	for _, c := range []string{commit, parent} {
		if err := checkCommit(c); err != nil {
			return err
		}
	}
	there, err := m.Present(ctx, []string{commit, parent})
	if err != nil {
		return err
	}
	if !there[commit] || !there[parent] {
		return buildbtw.NotFound("commit %s is not in the mirror any more; a new iteration makes it again", commit)
	}
	scratch, err := m.newScratch(sourceRefs{"heads/" + BundleBranch: commit})
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	g := m.git
	g.dir = scratch
	g.env = append(slices.Clone(g.env), "GIT_OBJECT_DIRECTORY="+filepath.Join(m.git.dir, "objects"))
	err = g.run(ctx, call{args: []string{"bundle", "create", "--quiet", "-", "refs/heads/" + BundleBranch, "^" + parent}, stdout: &bounded{w, maxBundle}})
	if err != nil {
		return fmt.Errorf("write a bundle of commit %s: %w", commit, err)
	}
	return nil
}

// bounded is a writer that takes so many bytes.
type bounded struct {
	w    io.Writer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, buildbtw.TooLarge("it has more than %d MiB", maxBundle>>20)
	}
	return b.w.Write(p)
}

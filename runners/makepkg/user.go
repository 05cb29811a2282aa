package makepkg

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"buildbtw/runners"
)

// way is as which user of the machine builds run.
type way int

const (
	sameUser  way = iota // the worker's own: nothing else is allowed to it
	subUser              // one of the worker's subordinate ids, for this attempt alone
	ownUser              // chosen by the worker, which is root's, for this attempt alone
	fixedUser            // who was named to the worker, which is root's
)

// Ids for ownUser: those that systemd's table (systemd.io/UIDS-GIDS) has as unused
// by people, services and containers.
const (
	firstOwn = 0x70000000
	ownIDs   = 0x08000000
)

// subIDs is how many subordinate ids are used of those a user has, which are
// 65536 (subuid(5)).
const subIDs = 60000

// waysFor returns the ways to try, the best first.
func (r *Runner) waysFor() []way {
	if os.Geteuid() == 0 {
		if r.options.UID == 0 {
			return []way{ownUser, fixedUser}
		}
		return []way{fixedUser}
	}
	if r.options.Isolation == Sandbox && r.tools.newuidmap {
		return []way{subUser, sameUser}
	}
	return []way{sameUser}
}

// builderFor returns the id of the user and of the group that build in a directory:
// as the worker sees them, but those of subUser as root of the worker's ids does.
// The same directory gives the same id, and two that are used at a time
// hardly ever do.
func (r *Runner) builderFor(work string) int {
	h := fnv.New64a()
	h.Write([]byte(work))
	switch r.way {
	case ownUser:
		return firstOwn + int(h.Sum64()%ownIDs)
	case subUser:
		return 1 + int(h.Sum64()%subIDs)
	case fixedUser:
		return r.options.UID
	}
	return 0
}

// becomeRoot returns the beginning of a command line for a program that may mount
// and change owners: of files that belong to the worker or one of its subordinate
// ids, unless the worker is root's.
func (r *Runner) becomeRoot(flags ...string) []string {
	args := append([]string{r.tools.unshare}, flags...)
	switch r.way {
	case sameUser:
		args = append(args, "--user", "--map-root-user")
	case subUser:
		args = append(args, "--user", "--map-root-user", "--map-auto")
	}
	if len(args) == 1 {
		return nil
	}
	return args
}

// dropRoot returns the beginning of a command line that must run as the building
// user.
func (b *build) dropRoot() []string {
	if b.way == sameUser {
		return nil
	}
	group := b.uid
	if b.way == fixedUser {
		group = b.options.GID
	}
	return []string{
		b.tools.setpriv, "--reuid", strconv.Itoa(b.uid), "--regid", strconv.Itoa(group),
		"--clear-groups", "--inh-caps=-all", "--no-new-privs", "--",
	}
}

// ownDirs are those that the build writes to.
func (b *build) ownDirs() []string {
	dirs := []string{b.job.Tree, b.job.Output}
	for _, name := range []string{"build", "srcdest", "tmp", "home", "cache", "gpg", "root"} {
		dirs = append(dirs, filepath.Join(b.job.Work, name))
	}
	return dirs
}

// handOver gives the build's directories to the user who builds.
func (b *build) handOver(ctx context.Context) error {
	switch b.way {
	case sameUser:
		return nil
	case subUser:
		return b.chown(ctx, b.uid)
	}
	group := b.uid
	if b.way == fixedUser {
		group = b.options.GID
	}
	for _, dir := range b.ownDirs() {
		if err := lchownTree(dir, b.uid, group); err != nil {
			return err
		}
	}
	return nil
}

// lchownTree changes the owner of a directory and all in it, of links themselves.
func lchownTree(dir string, uid, gid int) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return fs.WalkDir(root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return root.Lchown(name, uid, gid)
	})
}

// takeBack lets a worker that is not root read and remove the files of its subordinate
// ids. The build has ended.
func (b *build) takeBack(ctx context.Context) error {
	if b.way != subUser {
		return nil
	}
	return b.chown(context.WithoutCancel(ctx), 0)
}

func (b *build) chown(ctx context.Context, id int) error {
	args := append(b.becomeRoot(), "chown", "--recursive", "--no-dereference", fmt.Sprintf("%d:%d", id, id), "--")
	args = append(args, b.ownDirs()...)
	if text, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("change the owner of the build's directories: %w: %s", err, strings.TrimSpace(string(text)))
	}
	return nil
}

// chooseWay takes the first way that try succeeds with, and notes why better ones
// do not.
func (r *Runner) chooseWay(try func() error) error {
	var failures []error
	for _, w := range r.waysFor() {
		r.way = w
		if w == fixedUser && r.options.UID == 0 {
			r.options.UID, r.options.GID = nobody, nobody
		}
		err := try()
		if err == nil {
			r.lesser = errors.Join(failures...)
			return nil
		}
		failures = append(failures, err)
	}
	return failures[len(failures)-1]
}

// Notes implements runners.Noter.
func (r *Runner) Notes() []runners.Note {
	if r.options.Isolation == None {
		return []runners.Note{r.limitsNote(), {
			Warning: true,
			Text: "isolation none: a build may do what its user may: read that user's files, tokens included, use the network, " +
				"and leave processes and files for the next build. Use it for sources that you trust",
		}}
	}
	notes := []runners.Note{r.wayNote(), r.limitsNote()}
	if r.nested {
		notes = append(notes, runners.Note{
			Warning: true,
			Text:    "builds can make user namespaces, because /proc/sys cannot be written to here: what the kernel lets those do is in their reach",
		})
	}
	return notes
}

func (r *Runner) wayNote() runners.Note {
	switch r.way {
	case ownUser:
		return runners.Note{Text: fmt.Sprintf("each build runs as a user of its own, with an id from %d on", firstOwn)}
	case subUser:
		return runners.Note{Text: "each build runs as a subordinate id of this user"}
	case fixedUser:
		note := runners.Note{Text: fmt.Sprintf("all builds run as the user with id %d; give that one nothing else to do", r.options.UID)}
		if r.lesser != nil {
			note.Text += fmt.Sprintf(" (users of their own cannot be had here: %v)", r.lesser)
		}
		return note
	}
	note := runners.Note{
		Warning: true,
		Text: "builds run as this worker's own user, and only the sandbox keeps them from what is that user's. For users of their own run the worker as root, " +
			"or give its user subordinate ids: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME, and newuidmap (apt install uidmap; Arch has it)",
	}
	if r.lesser != nil {
		note.Text += fmt.Sprintf(" (these do not work: %v)", r.lesser)
	}
	return note
}

func (r *Runner) limitsNote() runners.Note {
	if r.groups != nil {
		return runners.Note{Text: fmt.Sprintf("limits of a build: %s; kept by control groups", r.options.Limits)}
	}
	return runners.Note{Text: fmt.Sprintf("limits of a build: %s; kept by limits of single processes and a watch, because %v. "+
		"Where systemd runs, start the worker with systemd-run --scope --property=Delegate=yes (and --user, unless it is root's), or put Delegate=yes into its unit", r.options.Limits, r.ungroup)}
}

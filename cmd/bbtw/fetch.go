package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/internal/atomicfile"
	"buildbtw/internal/shell"
	"buildbtw/pacman/alpm"
	"buildbtw/signing/keyring"
)

// fetchFlags are what 'bbtw release fetch' was told.
type fetchFlags struct {
	run, yes, noTags bool
	remote           string
}

func (a *app) releaseFetchCommand() *cobra.Command {
	var f fetchFlags
	cmd := &cobra.Command{
		Use:   "fetch ID DIR",
		Short: "Hand a release over to a distribution with dbscripts: its packages and one command",
		Long: `Downloads the packages of a release that waits for its repository, with their
signatures, into DIR/REPOSITORY/, which is how db-update of Arch Linux's dbscripts
wants to find them in staging/ of your home directory at the distribution. Before,
the server computes once more what can go, and looks for what db-update would
refuse; when another set can go by now, it has to be confirmed again.

Then it prints the command that copies DIR there and runs db-update; with --run it
does that, after a look whether staging/ has anything else: db-update takes all of
it. The server sees in the distribution's repositories when it has happened.

db-update reads each PKGBUILD at the tag of its version in its packaging repository, and
takes that only when it is signed. The server's mirror says whether it is there, signed by
a key that the target accepts; with --remote each repository is asked.`,
		Example: `  bbtw release fetch 7 staging
  bbtw release fetch 7 staging --run
  bbtw release fetch 7 staging --remote 'git@gitlab.example.org:packages/{project}.git'`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			return a.fetchRelease(cmd.Context(), c, args[0], args[1], f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.run, "run", false, "copy the packages to the distribution's host and run db-update there")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask before that")
	flags.StringVar(&f.remote, "remote", "", "where git finds a project, with {pkgbase}, {project} or {source} for its name: each is asked for its tag")
	flags.BoolVar(&f.noTags, "no-tags", false, "do not look whether the tags are pushed")
	return cmd
}

func (a *app) fetchRelease(ctx context.Context, c *api.Client, id, dir string, f fetchFlags) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	b, err := c.ReleaseBundle(ctx, id)
	if err != nil {
		return err
	}
	wanted, err := stagedNames(b)
	if err != nil {
		return err
	}
	if err := f.checkTags(ctx, b); err != nil {
		return err
	}
	if err := onlyStaged(dir, wanted); err != nil {
		return err
	}
	for _, file := range b.Files {
		into := filepath.Join(dir, file.Repository)
		if err := os.MkdirAll(into, 0o755); err != nil {
			return err
		}
		if err := a.downloadPackage(ctx, c, file.Build, file.Package, into); err != nil {
			return err
		}
		if err := atomicfile.WriteBytes(filepath.Join(into, file.Filename+signatureSuffix), 0o644, file.Signature); err != nil {
			return err
		}
	}
	if !f.run {
		return a.tell(b, "%s in %s\nhand over with:\n  %s && %s\n", plural(len(b.Files), "package"), dir, shellLine(copyCommand(dir, b.Host)), shellLine(updateCommand(b.Host)))
	}
	return a.handOver(ctx, c, b, dir, wanted, f.yes)
}

const signatureSuffix = ".sig"

// stagedNames returns what belongs into staging: REPOSITORY/FILE and its signature. The names
// come from the server, and become paths here and on another host.
func stagedNames(b api.ReleaseBundle) (map[string]bool, error) {
	wanted := map[string]bool{}
	for _, f := range b.Files {
		if _, _, _, err := alpm.ParseFilename(f.Filename); err != nil || path.Base(f.Filename) != f.Filename || strings.HasPrefix(f.Filename, "-") {
			return nil, buildbtw.Invalid("the server names %.80q as a package", f.Filename)
		}
		if err := buildbtw.CheckTargetName(f.Repository); err != nil {
			return nil, buildbtw.Invalid("the server names %.80q as a repository", f.Repository)
		}
		if len(f.Signature) == 0 {
			return nil, buildbtw.Invalid("the server sent no signature of %s", f.Filename)
		}
		wanted[f.Repository+"/"+f.Filename], wanted[f.Repository+"/"+f.Filename+signatureSuffix] = true, true
	}
	if len(wanted) == 0 {
		return nil, buildbtw.Conflict("release %s has no packages", b.Release)
	}
	return wanted, nil
}

// onlyStaged refuses a directory that has anything else: db-update would take it, too.
func onlyStaged(dir string, wanted map[string]bool) error {
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		inside, err := filepath.Rel(dir, name)
		if err == nil && !wanted[filepath.ToSlash(inside)] {
			err = buildbtw.Conflict("%s is not of this release, and db-update takes all that is in staging; give a directory that is empty", name)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// checkTags returns an error when the tag of a version is not in its packaging repository, or
// not signed by a key that the distribution has, as far as that is known.
func (f fetchFlags) checkTags(ctx context.Context, b api.ReleaseBundle) error {
	if f.noTags {
		return nil
	}
	var missing, refused buildbtw.Names
	for _, u := range b.Units {
		if f.remote != "" {
			if err := askForTag(ctx, f.remote, b.Keys, &u); err != nil {
				return err
			}
		}
		switch {
		case u.TagFault != "":
			refused = append(refused, fmt.Sprintf("%s %s (%s)", u.Pkgbase, u.Tag, u.TagFault))
		case !u.Tagged:
			missing = append(missing, u.Pkgbase+" "+u.Tag)
		}
	}
	switch {
	case len(refused) > 0:
		return buildbtw.Conflict("db-update would refuse these tags: %s. Delete them in the packaging repositories, and push them signed with a key that the target accepts: bbtw release push %s", plain(refused.Summary()), b.Release)
	case len(missing) == 0:
		return nil
	case f.remote != "":
		return buildbtw.Conflict("these tags are not in the packaging repositories at the commits that were built, and db-update reads the PKGBUILDs there: %s. Push them: bbtw release push %s --remote %s", missing.Summary(), b.Release, shell.Quote(f.remote))
	}
	return buildbtw.Conflict("as far as the server knows these tags are not in the packaging repositories at the commits that were built, and db-update reads the PKGBUILDs there: %s. Push them with 'bbtw release push %s --remote …'; give --remote here, too, to have the repositories asked", missing.Summary(), b.Release)
}

// askForTag asks a packaging repository whether the tag of a version stands at the commit that
// was built, and who signed it.
func askForTag(ctx context.Context, remote string, accepted []byte, u *api.BundleUnit) error {
	build := api.Build{Pkgbase: u.Pkgbase, Source: u.Source, Commit: u.Commit}
	if err := checkNames(build, u.Tag); err != nil {
		return err
	}
	keys, err := keyring.Read(bytes.NewReader(accepted))
	if err != nil {
		return buildbtw.Invalid("the keys that the server names: %w", err)
	}
	dir, err := os.MkdirTemp("", "bbtw-fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := &transfer{pusher: &pusher{main: "main", firstWait: minWait}, build: build, dir: dir, done: &pushed{Tag: u.Tag, Remote: remoteOf(remote, build)}}
	have, err := t.ask(ctx)
	u.Tagged, u.TagFault = err == nil && have["refs/tags/"+u.Tag+"^{}"] == u.Commit, ""
	if !u.Tagged {
		return err
	}
	text, err := t.tagObject(ctx, have["refs/tags/"+u.Tag])
	if err != nil {
		return err
	}
	if _, err := keys.VerifyTag(text, time.Now()); err != nil {
		u.Tagged, u.TagFault = false, buildbtw.MessageOf(err)
	}
	return nil
}

// copyCommand copies a directory into staging on a host, as pkgctl release does.
func copyCommand(dir, host string) []string {
	return []string{"rsync", "--recursive", "--checksum", "--perms", "--chmod=Dug=rwx,Do=rx,Fug=rw,Fo=r", "--partial", "--delay-updates", dir + "/", host + ":staging/"}
}

func updateCommand(host string) []string { return []string{"ssh", "--", host, "db-update"} }

func shellLine(command []string) string {
	words := make([]string, len(command))
	for i, word := range command {
		words[i] = shell.Quote(word)
	}
	return strings.Join(words, " ")
}

// handOver copies the packages to the distribution, runs db-update and has the server look.
func (a *app) handOver(ctx context.Context, c *api.Client, b api.ReleaseBundle, dir string, wanted map[string]bool, yes bool) error {
	if !yes {
		ok, err := a.confirm(fmt.Sprintf("Copy %s to %s and run db-update there?", plural(len(b.Files), "package"), b.Host))
		if err != nil || !ok {
			return cmp.Or(err, buildbtw.Unconfirmed("the packages are in %s and nothing was handed over; --yes confirms it", dir))
		}
	}
	list := exec.CommandContext(ctx, "ssh", "--", b.Host, "cd staging 2>/dev/null || exit 0; find . -name '*.pkg.tar.*' ! -type d")
	list.Stdin, list.Stderr = os.Stdin, a.errors
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("look into staging of %s: %w", b.Host, err)
	}
	var others buildbtw.Names
	for line := range strings.Lines(string(out)) {
		if name := strings.TrimPrefix(strings.TrimSpace(line), "./"); !wanted[name] {
			others = append(others, name)
		}
	}
	if len(others) > 0 {
		slices.Sort(others)
		return buildbtw.Conflict("staging of %s has %s, which db-update would take, too; run db-update for these, or remove them first", b.Host, plain(others.Summary()))
	}
	for _, command := range [][]string{copyCommand(dir, b.Host), updateCommand(b.Host)} {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, a.errors, a.errors
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w; what it says stands above. The packages are in %s: run the same again when that is mended", shellLine(command), err, dir)
		}
	}
	r, err := c.LookForRelease(ctx, b.Release)
	if err != nil {
		return err
	}
	return a.printStoredRelease(r)
}

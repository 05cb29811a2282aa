package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/internal/proc"
	"buildbtw/signing"
)

// pushed is what became of one pkgbase.
type pushed struct {
	Pkgbase string      `json:"pkgbase"`
	Version string      `json:"version"`
	Tag     string      `json:"tag"`
	Commit  string      `json:"commit"`
	Remote  string      `json:"remote,omitempty"`
	Outcome pushOutcome `json:"outcome"`
	Words   string      `json:"words,omitempty"` // what is to be done, of what was left
}

// pushOutcome is a word for programs.
type pushOutcome string

const (
	pushDone    pushOutcome = "pushed"
	pushThere   pushOutcome = "already there"
	pushWould   pushOutcome = "would be pushed"
	pushMoved   pushOutcome = "main moved"
	pushRefused pushOutcome = "merge request"
	pushFailed  pushOutcome = "failed"
)

// left reports whether somebody has to do something.
func (o pushOutcome) left() bool { return o == pushMoved || o == pushRefused || o == pushFailed }

// pusher pushes commits of packages over the packager's own git.
type pusher struct {
	client  *api.Client
	main    string // the branch that is fast-forwarded
	branch  string // for merge requests
	remote  string // with {pkgbase}, {project} and {source}
	sign    bool
	key     string // to sign with; empty: the one that git is set up for
	dryRun  bool
	request bool // open merge requests where main is protected

	firstWait time.Duration      // of a remote that is asked too often; each further one is twice as long
	tell      func(words string) // that something takes time
}

const (
	minWait = 100 * time.Millisecond
	waits   = 5 // for one call of git
)

// stopError is a failure that every other pkgbase would have, too.
type stopError struct{ words string }

func (e *stopError) Error() string { return e.words }

// namesProject reports whether a template has a place for the name of a project.
func namesProject(template string) bool {
	return strings.Contains(template, "{pkgbase}") || strings.Contains(template, "{project}") || strings.Contains(template, "{source}")
}

// remoteOf fills in the template. Names of packages have nothing that means something else
// to git or a shell.
func remoteOf(template string, b api.Build) string {
	return strings.NewReplacer("{pkgbase}", b.Pkgbase, "{project}", buildbtw.ProjectPath(b.Pkgbase), "{source}", b.Source).Replace(template)
}

// checkNames refuses what git would not take for names: they come from the server.
func checkNames(b api.Build, tag string) error {
	for _, commit := range []string{b.Commit, cmp.Or(b.SourceCommit, b.Commit)} {
		if len(commit) < 40 || strings.Trim(commit, "0123456789abcdef") != "" {
			return buildbtw.Invalid("the server names %.80q as a commit", commit)
		}
	}
	return errors.Join(buildbtw.CheckPkgname(b.Pkgbase), buildbtw.CheckSlug(b.Source), buildbtw.CheckRef(tag))
}

// push pushes one build's commit and its tag. What was not done is told in the result; the
// error is that of a context that ended, or a stopError.
func (p *pusher) push(ctx context.Context, unit pushUnit) (pushed, error) {
	done := pushed{Pkgbase: unit.Pkgbase, Version: unit.Version, Tag: buildbtw.GitTag(unit.Version), Outcome: pushFailed}
	detail, err := p.client.Build(ctx, unit.Build)
	if err != nil {
		done.Words = buildbtw.MessageOf(err)
		return done, ctx.Err()
	}
	b := detail.Build
	if err := checkNames(b, done.Tag); err != nil {
		done.Words = buildbtw.MessageOf(err)
		return done, nil
	}
	done.Commit, done.Remote = b.Commit, remoteOf(p.remote, b)
	if b.BuiltVersion != "" && b.BuiltVersion != b.Version {
		done.Words = fmt.Sprintf("pkgver() made %s, which commit %.12s does not have; commit it yourself", b.BuiltVersion, b.Commit)
		return done, nil
	}
	dir, err := os.MkdirTemp("", "bbtw-push-")
	if err != nil {
		return done, err
	}
	defer os.RemoveAll(dir)
	t := &transfer{pusher: p, build: b, dir: dir, done: &done}
	err = t.run(ctx)
	if ctx.Err() != nil {
		return done, context.Cause(ctx)
	}
	if err != nil {
		done.Outcome, done.Words = pushFailed, err.Error()
	}
	if stop := (*stopError)(nil); errors.As(err, &stop) {
		return done, stop
	}
	return done, nil
}

// transfer is the push of one commit, in a repository of its own that is removed
// afterwards.
type transfer struct {
	*pusher
	build api.Build
	dir   string
	done  *pushed
}

// run asks the remote what it has, and does the rest. The error is in words.
func (t *transfer) run(ctx context.Context) error {
	have, err := t.ask(ctx)
	if err != nil {
		return err
	}
	tag, main := "refs/tags/"+t.done.Tag, have["refs/heads/"+t.main]
	tagged := have[tag+"^{}"]
	switch {
	case have[tag] != "" && tagged != t.build.Commit:
		return fmt.Errorf("the remote has the tag %s, at another commit", t.done.Tag)
	case main == "":
		return fmt.Errorf("the remote has no branch %s", t.main)
	case tagged != "":
		if err := t.checkTag(ctx, have[tag]); err != nil {
			return err
		}
		if main == t.build.Commit {
			t.done.Outcome = pushThere
			return nil
		}
	}
	contained, err := t.fetch(ctx)
	if err != nil {
		return err
	}
	switch {
	case contained && tagged != "":
		t.done.Outcome = pushThere
		return nil
	case !contained && !t.ancestor(ctx, "refs/heads/"+t.main, t.build.Commit):
		t.done.Outcome = pushMoved
		t.done.Words = fmt.Sprintf("%s has commits that %.12s was built without; it needs a new iteration (bbtw rebase)", t.main, t.build.Commit)
		return nil
	case !contained && have["refs/heads/"+t.branch] == t.build.Commit:
		t.done.Outcome, t.done.Words = pushRefused, fmt.Sprintf("the branch %s waits to be merged", t.branch)
		return nil
	case t.dryRun:
		t.done.Outcome = pushWould
		if !contained {
			t.done.Words = fmt.Sprintf("%s from %.12s to %.12s", t.main, main, t.build.Commit)
		}
		return nil
	}
	return t.send(ctx, contained, tagged != "")
}

// checkTag returns an error when the tag that the remote has of the version is not signed
// although it should be. By whom it is signed is looked at when the packages are handed over.
func (t *transfer) checkTag(ctx context.Context, object string) error {
	if !t.sign {
		return nil
	}
	text, err := t.tagObject(ctx, object)
	if err != nil {
		return err
	}
	if _, signature := signing.SplitTag(text); signature == "" {
		return fmt.Errorf("the remote has the tag %s without a signature; delete it there and run the same again, or leave it with --no-sign", t.done.Tag)
	}
	return nil
}

// tagObject returns the text of the tag that the remote has of the version; empty when it
// stands at the commit without an object of its own.
func (t *transfer) tagObject(ctx context.Context, object string) ([]byte, error) {
	if object == t.build.Commit {
		return nil, nil
	}
	if _, err := t.git(ctx, "fetch", "--quiet", "--no-tags", "--depth=1", "--", t.done.Remote, "refs/tags/"+t.done.Tag+":refs/bbtw/tag"); err != nil {
		return nil, err
	}
	text, err := t.git(ctx, "cat-file", "tag", "refs/bbtw/tag")
	return []byte(text), err
}

// ask returns the refs of the remote that matter, by name; tags also with the commit that
// they stand for, as NAME^{}.
func (t *transfer) ask(ctx context.Context) (map[string]string, error) {
	if _, err := t.git(ctx, "init", "--quiet", "--bare", "."); err != nil {
		return nil, err
	}
	tag := "refs/tags/" + t.done.Tag
	out, err := t.git(ctx, "ls-remote", "--", t.done.Remote, "refs/heads/"+t.main, "refs/heads/"+t.branch, tag, tag+"^{}")
	if err != nil {
		return nil, err
	}
	have := map[string]string{}
	for line := range strings.Lines(out) {
		id, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		have[name] = id
	}
	if have[tag] != "" && have[tag+"^{}"] == "" {
		have[tag+"^{}"] = have[tag] // a tag without an object of its own
	}
	return have, nil
}

// fetch gets the branches of the remote and, where there is one, the commit that buildbtw
// made; it reports whether main has the commit already.
func (t *transfer) fetch(ctx context.Context) (contained bool, err error) {
	if _, err := t.git(ctx, "fetch", "--quiet", "--no-tags", "--", t.done.Remote, "+refs/heads/*:refs/heads/*"); err != nil {
		return false, err
	}
	made := t.build.SourceCommit != ""
	_, err = t.git(ctx, "cat-file", "-e", t.build.Commit+"^{commit}")
	there := err == nil
	switch {
	case there && (!made || t.ancestor(ctx, t.build.Commit, "refs/heads/"+t.main)):
		return t.ancestor(ctx, t.build.Commit, "refs/heads/"+t.main), nil
	case !there && !made:
		return false, fmt.Errorf("the remote does not have commit %.12s; push its branch there first", t.build.Commit)
	}
	if _, err := t.git(ctx, "cat-file", "-e", t.build.SourceCommit+"^{commit}"); err != nil {
		return false, fmt.Errorf("the remote does not have commit %.12s, on which %.12s was made; push its branch there first", t.build.SourceCommit, t.build.Commit)
	}
	if !there {
		if err := t.unbundle(ctx); err != nil {
			return false, err
		}
	}
	return false, t.inspect(ctx)
}

// unbundle gets the commit that buildbtw made from the server.
func (t *transfer) unbundle(ctx context.Context) error {
	file := filepath.Join(t.dir, "commit.bundle")
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(t.client.CommitBundle(ctx, t.build.ID, f), f.Close()); err != nil {
		return errors.New(buildbtw.MessageOf(err))
	}
	_, err = t.git(ctx, "fetch", "--quiet", "--no-tags", "--", file, "+refs/heads/buildbtw:refs/bbtw/made")
	return err
}

// inspect looks whether the commit that buildbtw made, wherever it came from, changes the
// pkgrel and nothing else: it is signed and pushed in the packager's name.
func (t *transfer) inspect(ctx context.Context) error {
	out, err := t.git(ctx, "rev-list", "--parents", "--max-count=1", t.build.Commit)
	if err != nil {
		return err
	}
	if strings.TrimSpace(out) != t.build.Commit+" "+t.build.SourceCommit {
		return fmt.Errorf("the server sent another commit than %.12s on %.12s", t.build.Commit, t.build.SourceCommit)
	}
	diff, err := t.git(ctx, "diff-tree", "-r", "--no-renames", "--no-ext-diff", "--no-textconv", "--unified=0", "--patch", t.build.SourceCommit, t.build.Commit)
	if err != nil {
		return err
	}
	return onlyPkgrel(diff)
}

var (
	pkgrelLine  = regexp.MustCompile(`^[-+]\s*pkgrel=`)
	changedFile = regexp.MustCompile(`^diff --git a/(.*) b/(.*)$`)
)

// onlyPkgrel returns an error unless a diff changes the pkgrel of a PKGBUILD, and its
// .SRCINFO. That one is a copy which nothing is built from.
func onlyPkgrel(diff string) error {
	file, lines := "", 0
	for line := range strings.Lines(diff) {
		line = strings.TrimRight(line, "\n")
		if m := changedFile.FindStringSubmatch(line); m != nil {
			file = m[1]
			if m[1] != m[2] || file != "PKGBUILD" && file != ".SRCINFO" {
				return fmt.Errorf("the commit that buildbtw made changes %s, not only the pkgrel; look at it before you push it", m[2])
			}
			continue
		}
		head := strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "+++ ")
		switch {
		case strings.HasPrefix(line, "old mode") || strings.HasPrefix(line, "new file") || strings.HasPrefix(line, "deleted file") || strings.HasPrefix(line, "Binary files"):
			return fmt.Errorf("the commit that buildbtw made changes more of %s than the pkgrel; look at it before you push it", file)
		case file != "PKGBUILD" || head || !strings.HasPrefix(line, "-") && !strings.HasPrefix(line, "+"):
		case !pkgrelLine.MatchString(line):
			return fmt.Errorf("the commit that buildbtw made changes %.80q in PKGBUILD, not only the pkgrel; look at it before you push it", line)
		default:
			lines++
		}
	}
	if lines != 2 {
		return errors.New("the commit that buildbtw made does not change the pkgrel; look at it before you push it")
	}
	return nil
}

// ancestor reports whether the first commit is the second or in its history.
func (t *transfer) ancestor(ctx context.Context, first, second string) bool {
	_, err := t.git(ctx, "merge-base", "--is-ancestor", first, second)
	return err == nil
}

// send tags the commit and pushes what the remote lacks, all or nothing. Nothing is forced:
// main can only be fast-forwarded.
func (t *transfer) send(ctx context.Context, contained, tagged bool) error {
	args := []string{"push", "--quiet", "--porcelain", "--atomic", "--no-verify", "--", t.done.Remote}
	if !contained {
		args = append(args, t.build.Commit+":refs/heads/"+t.main)
	}
	if !tagged {
		if err := t.tag(ctx); err != nil {
			return err
		}
		args = append(args, "refs/tags/"+t.done.Tag)
	}
	_, err := t.git(ctx, args...)
	if err == nil {
		t.done.Outcome = pushDone
		return nil
	}
	said := strings.ToLower(err.Error())
	switch {
	case strings.Contains(said, "non-fast-forward") || strings.Contains(said, "fetch first") || strings.Contains(said, "cannot lock ref"):
		t.done.Outcome, t.done.Words = pushMoved, t.main+" moved while it was pushed; start again"
		return nil
	case !contained && t.request && (strings.Contains(said, "protected branch") || strings.Contains(said, "not allowed to push")):
		return t.openRequest(ctx)
	}
	return err
}

func (t *transfer) tag(ctx context.Context) error {
	how := []string{"tag", "--sign"}
	switch {
	case !t.sign:
		how = []string{"tag", "--annotate", "--no-sign"}
	case t.key != "":
		how = []string{"tag", "--local-user=" + t.key}
	}
	_, err := t.git(ctx, append(how, "--message", t.build.Pkgbase+" "+t.done.Version, t.done.Tag, t.build.Commit)...)
	if err != nil && t.sign && ctx.Err() == nil {
		return &stopError{fmt.Sprintf("the tag cannot be signed here: %v; choose a key with --key or 'git config --global user.signingKey', or push with --no-sign", err)}
	}
	return err
}

// openRequest pushes the commit to a branch and asks GitLab for a merge request
// (docs.gitlab.com, "Push options"). The tag waits until it is merged: the same command
// pushes it then.
func (t *transfer) openRequest(ctx context.Context) error {
	push := []string{"push", "--quiet", "--porcelain", "--no-verify"}
	options := []string{"-o", "merge_request.create", "-o", "merge_request.target=" + t.main, "-o", "merge_request.title=" + t.build.Pkgbase + " " + t.done.Version}
	to := []string{"--", t.done.Remote, t.build.Commit + ":refs/heads/" + t.branch}
	t.done.Outcome = pushRefused
	t.done.Words = fmt.Sprintf("%s is protected; a merge request of the branch %s was asked for. Once it is merged by fast-forward, the same command pushes the tag", t.main, t.branch)
	_, err := t.git(ctx, slices.Concat(push, options, to)...)
	if err != nil && strings.Contains(err.Error(), "push options") {
		t.done.Words = fmt.Sprintf("%s is protected; open a merge request of the branch %s. Once it is merged by fast-forward, the same command pushes the tag", t.main, t.branch)
		_, err = t.git(ctx, slices.Concat(push, to)...)
	}
	return err
}

const (
	gitTime   = 10 * time.Minute // one call; over the slowest line, with a passphrase to type
	gitGrace  = 3 * time.Second
	maxGitOut = 8 << 20
)

// git runs the packager's git, with their settings, keys and agents. The error says what git
// said. A remote that is asked too often is asked again after a while; when that goes on, the
// error is a stopError.
func (t *transfer) git(ctx context.Context, args ...string) (string, error) {
	for i := 0; ; i++ {
		out, err := t.gitOnce(ctx, args...)
		switch {
		case err == nil || !askedTooOften(err):
			return out, err
		case i == waits:
			return "", &stopError{fmt.Sprintf("the remote is asked too often: %v; run the same again later, with a longer --pause", err)}
		}
		wait := t.firstWait << i
		if t.tell != nil {
			t.tell(fmt.Sprintf("%s: the remote is asked too often; again in %s", t.build.Pkgbase, wait))
		}
		if err := pauseFor(ctx, wait); err != nil {
			return "", err
		}
	}
}

// askedTooOften reports whether an error has the words of HTTP, or those of GitLab over SSH,
// for a limit of rates.
func askedTooOften(err error) bool {
	said := strings.ToLower(err.Error())
	return slices.ContainsFunc([]string{"returned error: 429", "too many requests", "requested too many times", "rate limit"}, func(words string) bool { return strings.Contains(said, words) })
}

func (t *transfer) gitOnce(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, gitTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...)
	var out bytes.Buffer
	said := proc.NewTail(4 << 10)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = t.dir, os.Stdin, &limited{&out, maxGitOut}, said
	cmd.Env = append(os.Environ(), "LC_ALL=C", "GIT_DIR="+t.dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = gitGrace
	if err := cmd.Run(); err != nil {
		words := strings.TrimSpace(said.String())
		if args[0] == "push" { // with --porcelain the reasons are on standard output
			words = strings.TrimSpace(words + "\n" + strings.TrimSpace(out.String()))
		}
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.Join(strings.Fields(words), " "))
	}
	return out.String(), nil
}

// limited is a writer that takes so many bytes.
type limited struct {
	w    *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errors.New("git says too much")
	}
	return l.w.Write(p)
}

// Package fetch downloads the sources of a build from the internet, before the build and
// without running any of its code: their URLs are in the .SRCINFO.
// curl and git run in a box that sees neither the PKGBUILD nor anything of the
// machine, and whose only way out is a proxy of this package, which refuses
// addresses that are not the public internet's. Each attempt gets sources of its
// own, so that no build can leave something to another.
//
// Why and how: docs/decisions/0008-fetching.md.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/internal/proc"
	"buildbtw/pacman/srcinfo"
	"buildbtw/runners"
)

// Options are the settings; the zero value is a good default.
type Options struct {
	// Allow lists HOST:PORT of mirrors that are let through, whatever their address.
	Allow []string

	// Proxy has environment entries like https_proxy=http://proxy:3128, by which
	// the site reaches the internet.
	Proxy []string

	// UID and GID are who fetches when this program runs as root; 0: 65534, nobody.
	UID, GID int

	// NoBox runs curl and git without a box, as the worker's user, for machines
	// that allow no namespaces. Their proxy is the same.
	NoBox bool

	Pauses   []time.Duration // between tries after errors that may pass; nil: 2 s to 30 s
	MaxBytes int64           // of all sources of a build; 0: 32 GiB
	MaxTime  time.Duration   // of one try of one source; 0: 2 h
	Resolver *net.Resolver   // nil: the system's
}

// Fetcher fetches sources.
type Fetcher struct {
	options  Options
	upstream upstream
	allow    map[string]bool
	tools    map[string]string // name to path
}

// New returns a fetcher. The error is an invalid setting.
func New(o Options) (*Fetcher, error) {
	if o.UID == 0 {
		o.UID, o.GID = nobody, nobody
	}
	if o.Pauses == nil {
		o.Pauses = []time.Duration{2 * time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second}
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 32 << 30
	}
	if o.MaxTime == 0 {
		o.MaxTime = 2 * time.Hour
	}
	f := &Fetcher{options: o, allow: map[string]bool{}}
	for _, a := range o.Allow {
		host, port, err := net.SplitHostPort(a)
		if err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("--fetch-allow %s: write HOST:PORT, such as mirror.example.org:443", a)
		}
		f.allow[endpoint(host, port)] = true
	}
	var err error
	f.upstream, err = parseUpstream(o.Proxy)
	return f, err
}

// nobody is the user that owns nothing.
const nobody = 65534

// Probe returns an error with the reason, and the remedy, if sources cannot be fetched on
// this machine.
func (f *Fetcher) Probe(ctx context.Context) error {
	if err := f.findTools(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "buildbtw-probe-")
	if err != nil {
		return fmt.Errorf("try the fetch box: %w", err)
	}
	defer func() { _ = runners.RemoveTree(dir) }()
	if err := f.own(dir); err != nil {
		return fmt.Errorf("try the fetch box: %w", err)
	}
	said := proc.NewTail(1000)
	exit, err := f.run(ctx, f.newProxy(), program{args: []string{f.tools["curl"], "--version"}, scratch: dir, limit: 30 * time.Second, output: said})
	if err == nil && !exit.Success() {
		err = errors.New(exit.String())
	}
	if err != nil {
		return fmt.Errorf("sources cannot be fetched on this machine: %w: %s. It needs user, mount and network namespaces: "+
			"allow them (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0; in a container also a seccomp profile that lets unshare and mount through)",
			err, strings.Join(strings.Fields(said.String()), " "))
	}
	return nil
}

func (f *Fetcher) newProxy() *proxy {
	return &proxy{allow: f.allow, upstream: f.upstream, resolver: f.options.Resolver, maxBytes: f.options.MaxBytes}
}

// own gives a directory to the user who fetches.
func (f *Fetcher) own(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(dir, f.options.UID, f.options.GID)
}

// Fetch fetches the sources of a job that are not beside its PKGBUILD into dest,
// under the names and in the form that makepkg expects in SRCDEST, so that
// makepkg needs no network. It returns a result only when that fails.
func (f *Fetcher) Fetch(ctx context.Context, job runners.Job, dest string, log io.Writer) (runners.Result, bool) {
	info, err := parse(job)
	if err != nil {
		return runners.Failed("%v", err), true
	}
	list, err := remote(info.Base, job.Architecture, job.Tree)
	if err != nil {
		return runners.Failed("%v", err), true
	}
	if len(list) == 0 {
		return runners.Result{}, false
	}
	fmt.Fprintln(log, "==> Fetching sources...")
	p := f.newProxy()
	for n, mirrors := range list {
		one := fetching{Fetcher: f, proxy: p, mirrors: mirrors, source: mirrors[0].Source, mark: job.Mark, log: log}
		one.scratch = filepath.Join(job.Work, fmt.Sprintf("fetch-%d", n))
		if err := one.untilDone(ctx, dest); err != nil {
			return one.judge(ctx, err), true
		}
	}
	return runners.Result{}, false
}

func parse(job runners.Job) (*srcinfo.Info, error) {
	info, err := srcinfo.Parse([]byte(job.Srcinfo))
	if err != nil {
		return nil, fmt.Errorf("read .SRCINFO: %w", err)
	}
	return info, nil
}

// remote returns the sources that have to be fetched, each with its mirrors: sources of
// the same name are the same file, in the order of preference.
func remote(base srcinfo.Fields, arch, tree string) ([][]*mirror, error) {
	var list [][]*mirror
	sums := checksums(base, arch)
	for i, entry := range base.Source.For(arch) {
		s := srcinfo.ParseSource(entry)
		// A file of this machine is looked for by makepkg, in its box.
		if s.Protocol == "local" || strings.HasPrefix(s.URL, "file:") {
			continue
		}
		if s.Name == "" || s.Name == "." || s.Name == ".." || s.Name[0] == '-' || len(s.Name) > maxName || strings.ContainsAny(s.Name, "/\x00\n") {
			return nil, fmt.Errorf("the source %q has no name that a file can have", entry)
		}
		info, err := os.Stat(filepath.Join(tree, s.Name))
		if err == nil && info.IsDir() == s.VCS() { // makepkg takes this one
			continue
		}
		if err := supported(s); err != nil {
			return nil, err
		}
		m := &mirror{Source: s, sum: sums[i]}
		at := slices.IndexFunc(list, func(mirrors []*mirror) bool { return mirrors[0].Name == s.Name })
		switch {
		case at < 0:
			list = append(list, []*mirror{m})
		case list[at][0].VCS() != s.VCS():
			return nil, fmt.Errorf("two sources are called %s, and only one of them is a repository", s.Name)
		case !slices.ContainsFunc(list[at], func(other *mirror) bool { return other.URL == s.URL }):
			list[at] = append(list[at], m)
		}
	}
	return list, nil
}

// maxName is how long a file's name may be, in bytes.
const maxName = 255

// supported returns why a source cannot be fetched here.
func supported(s srcinfo.Source) error {
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" {
		return fmt.Errorf("the address of the source %q cannot be understood", s.Entry)
	}
	switch s.Protocol {
	case "https", "http", "ftp":
		return nil
	case "git":
		if u.Scheme == "https" || u.Scheme == "http" {
			return nil
		}
		return fmt.Errorf("the source %q is not fetched by %s: that has no proxy, which keeps builds away from this machine; use git+https", s.Entry, u.Scheme)
	}
	return fmt.Errorf("sources are not fetched by %s (%q): only https, http, ftp, git+https and git+http are; "+
		"put the file beside the PKGBUILD, or a snapshot of it where https can fetch it", s.Protocol, s.Entry)
}

// fetching is one source on its way.
type fetching struct {
	*Fetcher
	proxy   *proxy
	mirrors []*mirror
	source  srcinfo.Source // of the mirror that is tried
	scratch string         // directory of this source alone
	mark    string
	log     io.Writer
}

// fetchError is why a source could not be fetched, other than by this machine's fault.
type fetchError struct {
	reason string
	kind   kind
}

func (e *fetchError) Error() string { return e.reason }

func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Host
}

func bytesText(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// try fetches the source once.
func (o *fetching) try(ctx context.Context, dest string, m *mirror) error {
	if err := runners.RemoveTree(o.scratch); err != nil {
		return err
	}
	if err := os.Mkdir(o.scratch, 0o700); err != nil {
		return err
	}
	if err := o.own(o.scratch); err != nil {
		return err
	}
	said := proc.NewTail(4 << 10)
	c := program{scratch: o.scratch, limit: o.options.MaxTime, mark: o.mark, output: said, args: o.curl()}
	judge := curlError
	if o.source.Protocol == "git" {
		c.args, c.env, judge = o.git(), gitEnvironment(), gitError
	}
	_ = o.proxy.lastTrouble() // of another try
	stop := o.progress()
	exit, err := o.run(ctx, o.proxy, c)
	stop()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		fmt.Fprint(o.log, said.String())
		return err
	case exit.Killed != nil:
		return &fetchError{reason: fmt.Sprintf("not done after %s", o.options.MaxTime)}
	case !exit.Success():
		fmt.Fprintf(o.log, "%s", said)
		return o.explain(judge(exit.Code, said.String()))
	}
	return o.keep(dest, m)
}

// explain prefers the proxy's reason to that of the program, which only knows
// that the proxy gave no connection.
func (o *fetching) explain(err *fetchError) error {
	trouble := o.proxy.lastTrouble()
	var refused *refusedError
	var large *tooLargeError
	var name *net.DNSError
	switch {
	case trouble == nil:
		return err
	case errors.As(trouble, &refused):
		return &fetchError{reason: refused.Error(), kind: isFinal}
	case errors.As(trouble, &large):
		return &fetchError{reason: large.Error(), kind: isFinal}
	case errors.As(trouble, &name) && name.IsNotFound: // or so says a name server that has its own trouble
		return &fetchError{reason: fmt.Sprintf("no machine is called %s", name.Name)}
	}
	return &fetchError{reason: trouble.Error()}
}

// progressPause is the time between lines about a download that takes long.
const progressPause = 30 * time.Second

func (o *fetching) progress() (stop func()) {
	begin := o.proxy.received.Load()
	tick, done := time.NewTicker(progressPause), make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				fmt.Fprintf(o.log, "  -> %s: %s so far\n", o.source.Name, bytesText(o.proxy.received.Load()-begin))
			}
		}
	}()
	return func() {
		tick.Stop()
		close(done)
		<-ended
	}
}

// judge returns the result for a source that could not be fetched. An error that may pass
// is the fault of networks and other machines; one that is no fetchError is this
// machine's.
func (o *fetching) judge(ctx context.Context, err error) runners.Result {
	if ctx.Err() != nil { // the agent reads the cause of ctx
		return runners.Result{Outcome: buildbtw.OutcomeCancelled, Message: context.Cause(ctx).Error()}
	}
	var known *fetchError
	switch {
	case !errors.As(err, &known):
		return runners.Infrastructure("the source %s could not be fetched: %v", o.source.Name, err)
	case known.kind == mayPass:
		return runners.Unreachable("the source %s could not be fetched: %v", o.source.Name, err)
	}
	return runners.Failed("the source %s could not be fetched: %v", o.source.Name, err)
}

// Slower than this for as long counts as a broken connection.
const (
	slowBytes   = "1000" // in a second
	slowSeconds = "60"
)

// curl returns curl's command line: as makepkg's, but that nothing is read from
// settings and redirects lead to no other protocols.
func (o *fetching) curl() []string {
	args := []string{
		o.tools["curl"], "--disable", "--globoff", "--fail", "--location", "--silent", "--show-error", "--cookie", "",
		"--proto", "=http,https,ftp", "--proto-redir", "=http,https,ftp", "--max-redirs", "10",
		"--connect-timeout", "60", "--speed-limit", slowBytes, "--speed-time", slowSeconds,
		"--write-out", "%{stderr}status %{response_code}\n", "--output", o.source.Name,
	}
	if o.source.Protocol == "ftp" {
		args = append(args, "--proxytunnel", "--ftp-pasv")
	}
	return append(args, "--", o.source.URL)
}

var curlStatus = regexp.MustCompile(`(?m)^status (\d+)$`)

// curlError judges how curl ended.
func curlError(code int, said string) *fetchError {
	status := ""
	if m := curlStatus.FindAllStringSubmatch(said, -1); m != nil {
		status = m[len(m)-1][1]
	}
	reason := strings.TrimSpace(curlStatus.ReplaceAllString(said, ""))
	if i := strings.LastIndexByte(reason, '\n'); i >= 0 {
		reason = reason[i+1:]
	}
	switch {
	case code == 22 && len(status) == 3 && status[0] == '4' && !slices.Contains([]string{"408", "425", "429"}, status):
		return &fetchError{reason: "the server answered " + status, kind: isGone}
	case code == 22:
		return &fetchError{reason: "the server answered " + status}
	case slices.Contains([]int{9, 19, 67, 78}, code): // of ftp: no access, no file, no login, no file
		return &fetchError{reason: reason, kind: isGone}
	case slices.Contains([]int{1, 3, 47}, code): // protocol, address, too many redirects
		return &fetchError{reason: reason, kind: isFinal}
	}
	return &fetchError{reason: reason}
}

// git returns git's command line, without hooks, for a bare mirror from which makepkg
// clones its working copy.
func (o *fetching) git() []string {
	return []string{
		o.tools["git"], "-c", "core.hooksPath=/dev/null", "-c", "protocol.file.allow=never", "-c", "protocol.ext.allow=never",
		"-c", "http.lowSpeedLimit=" + slowBytes, "-c", "http.lowSpeedTime=" + slowSeconds, "-c", "gc.auto=0",
		"clone", "--mirror", "--template=", "--quiet", "--", o.source.URL, o.source.Name,
	}
}

func gitEnvironment() []string {
	return []string{
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false",
		"GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=http:https", "GIT_LFS_SKIP_SMUDGE=1",
	}
}

// gitGone matches git's messages about a repository that does not exist or is private: for
// both, servers ask for a user name.
var gitGone = regexp.MustCompile(`(?i)returned error: 4(0[1-7]|10)|repository .*not found|could not read (username|password)|authentication failed|not valid: is this a git repository`)

// gitError classifies a failure of git by its messages.
func gitError(code int, said string) *fetchError {
	reason := fmt.Sprintf("git ended with exit code %d", code)
	for line := range strings.Lines(said) {
		if text, found := strings.CutPrefix(line, "fatal: "); found {
			reason = strings.TrimSpace(text)
		}
	}
	if gitGone.MatchString(said) {
		return &fetchError{reason: reason, kind: isGone}
	}
	return &fetchError{reason: reason}
}

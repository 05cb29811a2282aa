package machine

import (
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
	"buildbtw/internal/limit"
	"buildbtw/pacman/alpm"
	"buildbtw/runners"
	"buildbtw/runners/fake"
	"buildbtw/runners/fetch"
	"buildbtw/runners/makepkg"
	"buildbtw/runners/pkgctl"
)

// Builders are the settings of the runners.
type Builders struct {
	Names         []string // in order of preference
	Architectures []string
	MakeJobs      int // 0: what Complete finds
	Isolation     string
	BuildUser     string
	Packager      string
	DebugPackages bool
	FetchAllow    []string // HOST:PORT of mirrors that sources may come from, whatever their address
	ShowEtc       []string
	InstallFrom   []string // NAME=URL of repositories
	Limits        limit.Limits
	VM            VM
}

// Flags adds the flags of these settings; preferred is the runner without any.
func (b *Builders) Flags(f *pflag.FlagSet, preferred string) {
	f.StringArrayVar(&b.Names, "runner", []string{preferred}, "how to build: vm, makepkg, pkgctl or fake; repeatable, the first is preferred")
	f.StringSliceVar(&b.Architectures, "architectures", []string{Architecture()}, "architectures to build for")
	cli.Number(f, &b.MakeJobs, "make-jobs", 0, 0, 4096, "parallel jobs of make in each build (default: processors divided by builds at a time)")
	cli.Word(f, &b.Isolation, "isolation", string(makepkg.Sandbox), "of runner makepkg: sandbox, or none, which trusts every PKGBUILD", string(makepkg.Sandbox), string(makepkg.None))
	f.StringVar(&b.BuildUser, "build-user", "", "user who builds when this program runs as root (default: one of its own for each build)")
	f.StringVar(&b.Packager, "packager", "", "packager named in packages, \"Name <mail>\"")
	f.BoolVar(&b.DebugPackages, "debug-packages", false, "of runner makepkg: make -debug packages")
	f.StringArrayVar(&b.ShowEtc, "show-etc", nil, "of runner makepkg: file or directory of /etc, as a pattern, that builds see besides the usual ones; repeatable")
	f.StringArrayVar(&b.InstallFrom, "install-from", nil, "of runner makepkg: pacman repository as NAME=URL, from which builds get what the iteration's repository does not have, before this machine's own programs; its signatures are not checked; $repo and $arch are replaced (repeatable)")
	b.Limits = limit.Limits{Processes: 4096, Disk: 100 << 30, Memory: -1}
	f.Var((*size)(&b.Limits.Memory), "max-memory", "of runner makepkg: memory of a build, like 16GiB; 0: no limit (default: 3/4 of the machine's divided by builds at a time)")
	cli.Number(f, &b.Limits.Processes, "max-processes", b.Limits.Processes, 0, cli.Many, "of runner makepkg: processes and threads of a build; 0: no limit")
	f.Var((*size)(&b.Limits.Disk), "max-disk", "of runners makepkg and pkgctl: disk space of a build; 0: no limit")
	f.StringSliceVar(&b.FetchAllow, "fetch-allow", nil, "HOST:PORT of a mirror in your own network from which sources may be fetched (repeatable); everything private is refused else")
	b.VM.flags(f)
}

// size is a flag's number of bytes.
type size int64

// String implements pflag.Value.
func (s *size) String() string {
	if *s < 0 {
		return ""
	}
	return strings.ReplaceAll(limit.Bytes(int64(*s)), " ", "")
}

// Set implements pflag.Value.
func (s *size) Set(text string) error {
	n, err := limit.ParseBytes(text)
	*s = size(n)
	return err
}

// Type implements pflag.Value.
func (s *size) Type() string { return "size" }

// Complete fills in what follows from how many builds run at a time.
func (b *Builders) Complete(slots int) {
	if b.MakeJobs < 1 {
		b.MakeJobs = max(1, runtime.NumCPU()/max(1, slots))
	}
	if b.Limits.Memory < 0 {
		var machine unix.Sysinfo_t
		b.Limits.Memory = 0
		if unix.Sysinfo(&machine) == nil {
			b.Limits.Memory = int64(machine.Totalram*uint64(machine.Unit)) * 3 / 4 / int64(max(1, slots))
		}
	}
}

// Architecture returns the kernel's name of the machine's architecture, which is also
// pacman's.
func Architecture() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "x86_64"
	}
	return unix.ByteSliceToString(name.Machine[:])
}

// Hostname returns the machine's name, as workers are named.
func Hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "worker"
	}
	return strings.ToLower(name)
}

// Make returns the runners that were asked for; they are not probed yet.
func (b *Builders) Make() ([]runners.Runner, error) {
	var list []runners.Runner
	for _, name := range b.Names {
		r, err := b.one(name)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

func (b *Builders) one(name string) (runners.Runner, error) {
	switch name {
	case "vm":
		return b.VM.runner(b)
	case "makepkg":
		return b.makepkg()
	case "pkgctl":
		fetcher, err := b.fetcher(false)
		return pkgctl.New(pkgctl.Options{Packager: b.Packager, Jobs: b.MakeJobs, Disk: b.Limits.Disk, Fetcher: fetcher}), err
	case "fake":
		return fake.Runner{}, nil
	}
	return nil, cli.Usage(fmt.Errorf("unknown runner %q; choose vm, makepkg, pkgctl or fake", name))
}

func (b *Builders) makepkg() (runners.Runner, error) {
	isolation := makepkg.Isolation(b.Isolation)
	if isolation != makepkg.Sandbox && isolation != makepkg.None {
		return nil, cli.Usage(fmt.Errorf("unknown isolation %q; choose sandbox or none", b.Isolation))
	}
	o := makepkg.Options{Isolation: isolation, Packager: b.Packager, Jobs: b.MakeJobs, Debug: b.DebugPackages, ShowEtc: b.ShowEtc, Limits: b.Limits}
	var err error
	if o.InstallFrom, err = repositories(b.InstallFrom); err != nil {
		return nil, err
	}
	if o.UID, o.GID, err = b.buildUser(); err != nil {
		return nil, err
	}
	o.Fetcher, err = b.fetcher(isolation == makepkg.None)
	return makepkg.New(o), err
}

// repositories returns those of --install-from.
func repositories(list []string) ([]api.Repository, error) {
	var repositories []api.Repository
	for _, text := range list {
		name, address, _ := strings.Cut(text, "=")
		u, err := url.Parse(address)
		web := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
		here := err == nil && u.Scheme == "file" && u.Host == "" && filepath.IsAbs(u.Path)
		if d, wrong := alpm.ParseDep(name); wrong != nil || d.Name != name || strings.Contains(name, ":") || !web && !here {
			return nil, cli.Usage(fmt.Errorf("--install-from %.80q cannot be read; write NAME=URL with a URL that begins with http://, https:// or file:///", text))
		}
		repositories = append(repositories, api.Repository{Name: name, URL: strings.TrimRight(address, "/")})
	}
	return repositories, nil
}

// buildUser returns the ids of the user who was named to build when this program
// is root's, else 0.
func (b *Builders) buildUser() (uid, gid int, err error) {
	if os.Geteuid() != 0 || b.BuildUser == "" {
		return 0, 0, nil
	}
	who, err := user.Lookup(b.BuildUser)
	if err != nil {
		return 0, 0, cli.Usage(fmt.Errorf("--build-user: %w", err))
	}
	if uid, err = strconv.Atoi(who.Uid); err == nil {
		gid, err = strconv.Atoi(who.Gid)
	}
	if err != nil || uid == 0 {
		return 0, 0, cli.Usage(fmt.Errorf("--build-user %s cannot be used: builds must not run as root", b.BuildUser))
	}
	return uid, gid, nil
}

// fetcher returns what fetches the sources of builds.
func (b *Builders) fetcher(noBox bool) (*fetch.Fetcher, error) {
	o := fetch.Options{Allow: b.FetchAllow, Proxy: proxies(), NoBox: noBox}
	var err error
	if o.UID, o.GID, err = b.buildUser(); err != nil {
		return nil, err
	}
	f, err := fetch.New(o)
	return f, cli.Usage(err)
}

// proxies returns the environment entries by which downloads find their way out.
func proxies() []string {
	var list []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasSuffix(strings.ToLower(name), "_proxy") {
			list = append(list, entry)
		}
	}
	return list
}

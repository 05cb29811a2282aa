package machine

import (
	"fmt"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"buildbtw/cmd/internal/cli"
	"buildbtw/runners"
	"buildbtw/runners/fake"
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
	VM            VM
}

// Flags adds the flags of these settings; preferred is the runner without any.
func (b *Builders) Flags(f *pflag.FlagSet, preferred string) {
	f.StringArrayVar(&b.Names, "runner", []string{preferred}, "how to build: vm, makepkg, pkgctl or fake; repeatable, the first is preferred")
	f.StringSliceVar(&b.Architectures, "architectures", []string{Architecture()}, "architectures to build for")
	f.IntVar(&b.MakeJobs, "make-jobs", 0, "parallel jobs of make in each build (default: processors divided by builds at a time)")
	f.StringVar(&b.Isolation, "isolation", string(makepkg.Sandbox), "of runner makepkg: sandbox, or none, which trusts every PKGBUILD")
	f.StringVar(&b.BuildUser, "build-user", "nobody", "user who builds when this program runs as root")
	f.StringVar(&b.Packager, "packager", "", "packager named in packages, \"Name <mail>\"")
	f.BoolVar(&b.DebugPackages, "debug-packages", false, "of runner makepkg: make -debug packages")
	b.VM.flags(f)
}

// Complete fills in what follows from how many builds run at a time.
func (b *Builders) Complete(slots int) {
	if b.MakeJobs < 1 {
		b.MakeJobs = max(1, runtime.NumCPU()/max(1, slots))
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
		return pkgctl.New(pkgctl.Options{Packager: b.Packager, Jobs: b.MakeJobs, User: userName()}), nil
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
	o := makepkg.Options{Isolation: isolation, Packager: b.Packager, Jobs: b.MakeJobs, Debug: b.DebugPackages, Proxy: proxies()}
	if os.Geteuid() == 0 {
		who, err := user.Lookup(b.BuildUser)
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("--build-user: %w", err))
		}
		if o.UID, err = strconv.Atoi(who.Uid); err == nil {
			o.GID, err = strconv.Atoi(who.Gid)
		}
		if err != nil || o.UID == 0 {
			return nil, cli.Usage(fmt.Errorf("--build-user %s cannot be used: builds must not run as root", b.BuildUser))
		}
	}
	return makepkg.New(o), nil
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

// userName is who runs the program.
func userName() string {
	who, err := user.Current()
	if err != nil {
		return ""
	}
	return who.Username
}

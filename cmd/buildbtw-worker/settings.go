package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
	"buildbtw/runners"
	"buildbtw/runners/fake"
	"buildbtw/runners/makepkg"
	"buildbtw/runners/pkgctl"
)

// settings are the flags that run and doctor share.
type settings struct {
	serverURL, tokenFile     string
	name, workDir, logFormat string
	runners                  []string
	architectures, labels    []string
	slots, makeJobs          int
	isolation, buildUser     string
	packager                 string
	debugPackages            bool
	drain                    time.Duration
	exitWithParent           bool
}

func (s *settings) flags(f *pflag.FlagSet) {
	f.StringVar(&s.serverURL, "server-url", "http://127.0.0.1:8080", "address of the server")
	f.StringVar(&s.tokenFile, "worker-token-file", "", "file with the token that the server knows this worker by")
	f.StringVar(&s.name, "name", hostname(), "name of this worker; each needs its own")
	f.StringArrayVar(&s.runners, "runner", []string{"makepkg"}, "how to build: makepkg, pkgctl or fake; repeatable, the first is preferred")
	f.StringSliceVar(&s.architectures, "architectures", []string{machine()}, "architectures to build for")
	f.StringSliceVar(&s.labels, "labels", nil, "labels of this worker, for the server's limits")
	f.IntVar(&s.slots, "jobs", 1, "builds at the same time")
	f.IntVar(&s.makeJobs, "make-jobs", 0, "parallel jobs of make in each build (default: processors divided by --jobs)")
	f.StringVar(&s.workDir, "work-dir", "", "directory for builds, for this worker alone (default: buildbtw-worker-NAME in /var/tmp)")
	f.StringVar(&s.isolation, "isolation", string(makepkg.Sandbox), "of runner makepkg: sandbox, or none, which trusts every PKGBUILD")
	f.StringVar(&s.buildUser, "build-user", "nobody", "user who builds when the worker runs as root")
	f.StringVar(&s.packager, "packager", "", "packager named in packages, \"Name <mail>\"")
	f.BoolVar(&s.debugPackages, "debug-packages", false, "of runner makepkg: make -debug packages")
	f.StringVar(&s.logFormat, "log-format", "text", "text or json")
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "worker"
	}
	return strings.ToLower(name)
}

// machine is the kernel's name of the machine's architecture, which is also
// pacman's.
func machine() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "x86_64"
	}
	return unix.ByteSliceToString(name.Machine[:])
}

// complete fills in what follows from other settings.
func (s *settings) complete() {
	if s.workDir == "" {
		s.workDir = filepath.Join("/var/tmp", "buildbtw-worker-"+filepath.Base(s.name))
	}
	if s.makeJobs < 1 {
		s.makeJobs = max(1, runtime.NumCPU()/max(1, s.slots))
	}
}

// token reads the token file, and warns when others can do so too.
func (s *settings) token(log *slog.Logger) (string, error) {
	if s.tokenFile == "" {
		return "", nil
	}
	info, err := os.Stat(s.tokenFile)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	if info.Mode().Perm()&0o004 != 0 {
		log.Warn("everybody on this machine can read the token; make it private", "command", "chmod 600 "+s.tokenFile)
	}
	text, err := os.ReadFile(s.tokenFile)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("the token file %s is empty", s.tokenFile)
	}
	return token, nil
}

func (s *settings) client(log *slog.Logger, backoff api.Backoff) (*api.Client, error) {
	token, err := s.token(log)
	if err != nil {
		return nil, err
	}
	client, err := api.New(s.serverURL, token, api.Options{UserAgent: "buildbtw-worker/" + cli.Version(), Backoff: backoff})
	if err != nil {
		return nil, cli.Usage(err)
	}
	return client, nil
}

// makeRunners gives the runners that were asked for; they are not probed yet.
func (s *settings) makeRunners() ([]runners.Runner, error) {
	var list []runners.Runner
	for _, name := range s.runners {
		r, err := s.makeRunner(name)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

func (s *settings) makeRunner(name string) (runners.Runner, error) {
	switch name {
	case "makepkg":
		return s.makepkgRunner()
	case "pkgctl":
		return pkgctl.New(pkgctl.Options{Packager: s.packager, Jobs: s.makeJobs, User: userName()}), nil
	case "fake":
		return fake.Runner{}, nil
	}
	return nil, cli.Usage(fmt.Errorf("unknown runner %q; choose makepkg, pkgctl or fake", name))
}

func (s *settings) makepkgRunner() (runners.Runner, error) {
	isolation := makepkg.Isolation(s.isolation)
	if isolation != makepkg.Sandbox && isolation != makepkg.None {
		return nil, cli.Usage(fmt.Errorf("unknown isolation %q; choose sandbox or none", s.isolation))
	}
	o := makepkg.Options{Isolation: isolation, Packager: s.packager, Jobs: s.makeJobs, Debug: s.debugPackages, Proxy: proxies()}
	if os.Geteuid() == 0 {
		who, err := user.Lookup(s.buildUser)
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("--build-user: %w", err))
		}
		if o.UID, err = strconv.Atoi(who.Uid); err == nil {
			o.GID, err = strconv.Atoi(who.Gid)
		}
		if err != nil || o.UID == 0 {
			return nil, cli.Usage(fmt.Errorf("--build-user %s cannot be used: builds must not run as root", s.buildUser))
		}
	}
	return makepkg.New(o), nil
}

// proxies are the environment entries by which downloads find their way out.
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

// userName is who runs the worker.
func userName() string {
	who, err := user.Current()
	if err != nil {
		return ""
	}
	return who.Username
}

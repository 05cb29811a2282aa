package runners

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"buildbtw"
)

// MissingHere returns those of the dependencies that this machine does not seem to have.
// With pacman's packages installed pacman knows. Other distributions have other
// names for packages: there a program, a library, a pkg-config file or a package of that
// name counts. One that is found so probably suffices, and one that is not is mentioned
// when the build fails.
func MissingHere(ctx context.Context, deps []string) []string {
	if len(deps) == 0 {
		return nil
	}
	if entries, err := os.ReadDir("/var/lib/pacman/local"); err == nil && len(entries) > 1 { // one is ALPM_DB_VERSION
		text, _ := exec.CommandContext(ctx, "pacman", append([]string{"--deptest", "--"}, deps...)...).Output() // it ends with 127 when some are missing
		missing := strings.Fields(string(text))
		return slices.DeleteFunc(slices.Clone(deps), func(dep string) bool { return !slices.Contains(missing, dep) })
	}
	libraries, _ := filepath.Glob("/usr/lib/*-linux-*") // the pattern is valid
	libraries = append(libraries, "/usr/lib", "/usr/lib64", "/lib64")
	return slices.DeleteFunc(slices.Clone(deps), func(dep string) bool { return machineHas(dep, libraries) })
}

func machineHas(dep string, libraries []string) bool {
	name := dep
	if i := strings.IndexAny(name, "<>="); i >= 0 {
		name = name[:i]
	}
	name = strings.TrimPrefix(name, "lib:")
	if name == "" || strings.ContainsAny(name, "/\x00") {
		return false
	}
	files := []string{"/usr/bin/" + name, "/usr/sbin/" + name, "/usr/share/doc/" + name, "/usr/share/pkgconfig/" + name + ".pc"}
	other, known := map[string]string{ // the parts of Arch that every machine has, and packages that are called after nothing in them
		"glibc": "libc.so.6", "gcc-libs": "libgcc_s.so.1", "libgcc": "libgcc_s.so.1", "libstdc++": "libstdc++.so.6",
	}[name]
	for _, dir := range libraries {
		files = append(files, filepath.Join(dir, "pkgconfig", name+".pc"), filepath.Join(dir, name))
		if known {
			files = append(files, filepath.Join(dir, other))
		}
	}
	switch name {
	case "linux-api-headers":
		files = append(files, "/usr/include/linux/version.h")
	case "base-devel":
		files = append(files, "/usr/bin/makepkg")
	}
	return slices.ContainsFunc(files, func(file string) bool {
		_, err := os.Stat(file)
		return err == nil
	})
}

// WithNotChecked returns a result that names the dependencies that were not checked. A
// failure's reason begins with them, because they are its likely cause.
func (r Result) WithNotChecked(names []string) Result {
	r.NotChecked = strings.Join(names, " ")
	if len(names) > 0 && r.PackageCode {
		r.Message = buildbtw.NotCheckedText(names) + "; " + r.Message
	}
	return r
}

package makepkg

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// shownEtc returns the files and directories of the host's /etc that a build sees, as
// patterns: those that programs of /usr need to run as on the host. Never /etc itself,
// nor a directory into which people or programs put settings: there are tokens
// and passwords in them, and inside the box a build may be the worker's own user.
// For that reason settings of tools that hold credentials are missing: gitconfig,
// npmrc, pip.conf, wgetrc, maven/settings.xml, pacman.conf, environment,
// profile.d as a whole, ssh, ssl/private.
func (r *Runner) shownEtc() []string {
	return append([]string{
		// The loader and the choice among programs (Debian).
		"ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives",
		// Names of services, protocols and of this machine, for tests that use loopback.
		"nsswitch.conf", "host.conf", "hosts", "gai.conf", "services", "protocols", "rpc", "networks", "ethertypes", "netconfig",
		// Which system this is; time and language.
		"os-release", "lsb-release", "arch-release", "debian_version", "localtime", "timezone", "locale.alias", "locale.conf", "mtab", "shells", "login.defs",
		// Authorities' certificates, no keys; and how TLS is set up.
		"ssl/certs", "ssl/cert.pem", "ssl/openssl.cnf", "ca-certificates/extracted", "ca-certificates/trust-source", "ca-certificates.conf",
		"pki/tls/certs", "pki/tls/cert.pem", "pki/ca-trust/extracted", "crypto-policies/back-ends",
		// Catalogs and types of documents.
		"xml", "sgml", "mime.types", "magic", "magic.mime", "fonts", "texmf", "papersize", "paperspecs", "groff", "man_db.conf", "manpath.config", "ghostscript",
		// Languages. Java's and Debian's Python's directories carry their version.
		"java", "java-[0-9]*", "maven/m2.conf", "maven/logging", "perl/Net", "perl/XML", "python[23]*", "R/ldpaths", "R/Makeconf", "R/repositories",
		"profile.d/jre.sh", "profile.d/perlbin.sh",
		// Drivers, toolkits, and servers that tests start.
		"glvnd", "OpenCL", "vulkan", "gtk-2.0", "gtk-3.0", "gtk-4.0", "ImageMagick-*", "X11/app-defaults", "X11/fonts", "X11/rgb.txt",
		"dbus-1/session.conf", "dbus-1/session.d", "xdg/menus", "xdg/qtchooser", "openmpi", "terminfo", "mke2fs.conf",
	}, r.options.ShowEtc...)
}

// copyEtc fills a build's /etc with copies of the files of shownEtc that everybody on the
// host may read, and with files that are the same for every build.
func (b *build) copyEtc(to string) error {
	for _, pattern := range b.shownEtc() {
		matches, err := filepath.Glob(filepath.Join("/etc", pattern))
		if err != nil {
			return err
		}
		for _, match := range matches {
			if err := copyShown(match, to); err != nil {
				return err
			}
		}
	}
	for name, text := range map[string]string{ // these are no credentials
		"passwd":       "root:x:0:0:root:/root:/bin/bash\nbuild:x:1000:1000:build:/home/build:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n",
		"group":        "root:x:0:\nbuild:x:1000:\nnobody:x:65534:\n",
		"hostname":     "buildbtw\n",
		"machine-id":   "b0000000000000000000000000000000\n", // D-Bus wants one; the host's would tell machines apart
		"makepkg.conf": b.makepkgConf(),
		"pacman.conf":  b.pacmanConf(),
		"resolv.conf":  "", // nothing has a network
	} {
		if err := writePublic(filepath.Join(to, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// copyShown copies a file, link or directory of /etc into the directory to.
func copyShown(from, to string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil { // the worker may not look there, and everybody even less
			if d != nil && d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		target := filepath.Join(to, strings.TrimPrefix(name, "/etc/"))
		if d.IsDir() {
			return publicDir(target)
		}
		if err := publicDir(filepath.Dir(target)); err != nil {
			return err
		}
		if d.Type() == fs.ModeSymlink {
			link, err := os.Readlink(name)
			if err != nil {
				return err
			}
			_ = os.Remove(target)           // two patterns may name the same
			return os.Symlink(link, target) // nobody but the machine's root changes /etc
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o004 == 0 {
			return nil //nolint:nilerr // not there any more, or not for everybody
		}
		text, err := os.ReadFile(name) // the same
		if err != nil {
			return nil //nolint:nilerr // the same
		}
		return writePublic(target, text, info.Mode().Perm()&0o755)
	})
}

// writePublic writes a file that every user may read, whatever the umask.
func writePublic(name string, text []byte, mode fs.FileMode) error {
	_ = os.Remove(name)
	if err := os.WriteFile(name, text, mode); err != nil { // the names are ours and /etc's
		return err
	}
	return os.Chmod(name, mode)
}

// publicDir makes a directory, and those above, that every user may look into,
// whatever the umask.
func publicDir(name string) error {
	if _, err := os.Lstat(name); err == nil {
		return nil
	}
	if err := publicDir(filepath.Dir(name)); err != nil {
		return err
	}
	if err := os.Mkdir(name, 0o755); err != nil {
		return err
	}
	return os.Chmod(name, 0o755)
}

// Shows implements runners.Shower: it reports whether a file lies where a build can
// look.
func (r *Runner) Shows(file string) bool {
	if r.options.Isolation == None { // then the build's user decides, whom doctor tells of
		return false
	}
	names := []string{file}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		names = append(names, real)
	}
	var shown []string
	for _, dir := range append(libraryDirs(), "usr", "opt") {
		shown = append(shown, "/"+dir)
	}
	for _, pattern := range r.shownEtc() {
		matches, _ := filepath.Glob(filepath.Join("/etc", pattern)) // copyEtc reports its errors
		shown = append(shown, matches...)
	}
	for _, name := range names {
		for _, dir := range shown {
			if name == dir || strings.HasPrefix(name, dir+"/") {
				return true
			}
		}
	}
	return false
}

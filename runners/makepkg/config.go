package makepkg

import "fmt"

// makepkgConf is Arch's makepkg.conf (package pacman 7, 2026), with fast
// compression, because these packages are rebuilt often and kept shortly, and
// without debug packages and LTO unless asked for. makepkg sources it.
func (b *build) makepkgConf() string {
	cflags := "-O2 -pipe -fno-plt -fexceptions -Wp,-D_FORTIFY_SOURCE=3 -Wformat -Werror=format-security"
	if b.job.Architecture == "x86_64" {
		cflags = "-march=x86-64 -mtune=generic " + cflags + " -fstack-clash-protection -fcf-protection"
	}
	debug := "!debug"
	if b.options.Debug {
		debug = "debug"
	}
	return fmt.Sprintf(`CARCH='%[1]s'
CHOST='%[1]s-pc-linux-gnu'
CPPFLAGS=''
CFLAGS='%[2]s'
CXXFLAGS="$CFLAGS -Wp,-D_GLIBCXX_ASSERTIONS"
LDFLAGS='-Wl,-O1 -Wl,--sort-common -Wl,--as-needed -Wl,-z,relro -Wl,-z,now'
LTOFLAGS='-flto=auto'
MAKEFLAGS='-j%[3]d'
DEBUG_CFLAGS='-g'
DEBUG_CXXFLAGS='-g'
BUILDENV=(!distcc !color !ccache check !sign)
OPTIONS=(strip docs !libtool !staticlibs emptydirs zipman purge %[4]s !lto)
INTEGRITY_CHECK=(sha256)
STRIP_BINARIES='--strip-all'
STRIP_SHARED='--strip-unneeded'
STRIP_STATIC='--strip-debug'
MAN_DIRS=({usr{,/local}{,/share},opt/*}/{man,info})
DOC_DIRS=(usr/{,local/}{,share/}{doc,gtk-doc} opt/*/{doc,gtk-doc})
PURGE_TARGETS=(usr/{,share}/info/dir .packlist *.pod)
DBGSRCDIR='/usr/src/debug'
LIB_DIRS=('lib:usr/lib' 'lib32:usr/lib32')
DLAGENTS=('file::/usr/bin/curl -qgC - -o %%o %%u'
          'ftp::/usr/bin/curl -qgfC - --ftp-pasv --retry 3 --retry-delay 3 -o %%o %%u'
          'http::/usr/bin/curl -qgb "" -fLC - --retry 3 --retry-delay 3 -o %%o %%u'
          'https::/usr/bin/curl -qgb "" -fLC - --retry 3 --retry-delay 3 -o %%o %%u'
          'rsync::/usr/bin/rsync --no-motd -z %%u %%o'
          'scp::/usr/bin/scp -C %%u %%o')
VCSCLIENTS=('bzr::breezy' 'fossil::fossil' 'git::git' 'hg::mercurial' 'svn::subversion')
COMPRESSGZ=(gzip -c -f -n)
COMPRESSBZ2=(bzip2 -c -f)
COMPRESSXZ=(xz -c -z -)
COMPRESSZST=(zstd -c -q -1 -)
COMPRESSLZ4=(lz4 -q)
PKGEXT='.pkg.tar.zst'
SRCEXT='.src.tar.gz'
`, b.job.Architecture, cflags, b.options.Jobs, debug)
}

package srcinfo

import "strings"

// Which keys are arrays and which take an architecture suffix is from makepkg's
// util/schema.sh. Each function returns the place of a key's values, nil for
// the keys of the others.

// text is for keys with one value.
func (f *Fields) text(key string) *string {
	switch key {
	case "pkgdesc":
		return &f.Pkgdesc
	case "url":
		return &f.URL
	case "install":
		return &f.Install
	case "changelog":
		return &f.Changelog
	}
	return nil
}

// list is for keys with many values, the same on every architecture.
func (f *Fields) list(key string) *[]string {
	switch key {
	case "arch":
		return &f.Arch
	case "groups":
		return &f.Groups
	case "license":
		return &f.License
	case "options":
		return &f.Options
	case "backup":
		return &f.Backup
	case "noextract":
		return &f.NoExtract
	case "validpgpkeys":
		return &f.ValidPGPKeys
	}
	return nil
}

// values is for keys with many values that may have a suffix.
func (f *Fields) values(key string) *Values {
	switch key {
	case "depends":
		return &f.Depends
	case "makedepends":
		return &f.MakeDepends
	case "checkdepends":
		return &f.CheckDepends
	case "optdepends":
		return &f.OptDepends
	case "provides":
		return &f.Provides
	case "conflicts":
		return &f.Conflicts
	case "replaces":
		return &f.Replaces
	case "source":
		return &f.Source
	case "cksums":
		return &f.CkSums
	case "md5sums":
		return &f.MD5Sums
	case "sha1sums":
		return &f.SHA1Sums
	case "sha224sums":
		return &f.SHA224Sums
	case "sha256sums":
		return &f.SHA256Sums
	case "sha384sums":
		return &f.SHA384Sums
	case "sha512sums":
		return &f.SHA512Sums
	case "b2sums":
		return &f.B2Sums
	}
	return nil
}

// split separates a key from its architecture suffix. No known key has an
// underscore, but architectures do (x86_64), so the first one is the border.
func split(key string) (name, arch string) {
	name, arch, _ = strings.Cut(key, "_")
	return name, arch
}

package srcinfo

import "strings"

// field says where the values of a key go. Exactly one of its functions is
// set.
type field struct {
	text   func(*Fields) *string   // one value
	list   func(*Fields) *[]string // many values, the same on every architecture
	values func(*Fields) *Values   // many values, may have an architecture suffix
}

// fields are the keys of both kinds of section. Which of them are arrays and
// which take an architecture suffix is from makepkg's util/schema.sh.
var fields = map[string]field{
	"pkgdesc":   {text: func(f *Fields) *string { return &f.Pkgdesc }},
	"url":       {text: func(f *Fields) *string { return &f.URL }},
	"install":   {text: func(f *Fields) *string { return &f.Install }},
	"changelog": {text: func(f *Fields) *string { return &f.Changelog }},

	"arch":         {list: func(f *Fields) *[]string { return &f.Arch }},
	"groups":       {list: func(f *Fields) *[]string { return &f.Groups }},
	"license":      {list: func(f *Fields) *[]string { return &f.License }},
	"options":      {list: func(f *Fields) *[]string { return &f.Options }},
	"backup":       {list: func(f *Fields) *[]string { return &f.Backup }},
	"noextract":    {list: func(f *Fields) *[]string { return &f.NoExtract }},
	"validpgpkeys": {list: func(f *Fields) *[]string { return &f.ValidPGPKeys }},

	"depends":      {values: func(f *Fields) *Values { return &f.Depends }},
	"makedepends":  {values: func(f *Fields) *Values { return &f.MakeDepends }},
	"checkdepends": {values: func(f *Fields) *Values { return &f.CheckDepends }},
	"optdepends":   {values: func(f *Fields) *Values { return &f.OptDepends }},
	"provides":     {values: func(f *Fields) *Values { return &f.Provides }},
	"conflicts":    {values: func(f *Fields) *Values { return &f.Conflicts }},
	"replaces":     {values: func(f *Fields) *Values { return &f.Replaces }},

	"source":     {values: func(f *Fields) *Values { return &f.Source }},
	"cksums":     {values: func(f *Fields) *Values { return &f.CkSums }},
	"md5sums":    {values: func(f *Fields) *Values { return &f.MD5Sums }},
	"sha1sums":   {values: func(f *Fields) *Values { return &f.SHA1Sums }},
	"sha224sums": {values: func(f *Fields) *Values { return &f.SHA224Sums }},
	"sha256sums": {values: func(f *Fields) *Values { return &f.SHA256Sums }},
	"sha384sums": {values: func(f *Fields) *Values { return &f.SHA384Sums }},
	"sha512sums": {values: func(f *Fields) *Values { return &f.SHA512Sums }},
	"b2sums":     {values: func(f *Fields) *Values { return &f.B2Sums }},
}

// split separates a key from its architecture suffix. No known key has an
// underscore, but architectures do (x86_64), so the first one is the border.
func split(key string) (name, arch string) {
	name, arch, _ = strings.Cut(key, "_")
	return name, arch
}

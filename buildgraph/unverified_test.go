package buildgraph_test

import (
	"fmt"
	"slices"
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/pacman/srcinfo"
)

// A plan says whose signatures are not verified, and who misses a key.
func TestPlanNamesSignaturesThatAreNotVerified(t *testing.T) {
	t.Parallel()
	source := func(slug, fields string, keys []string) buildgraph.Source {
		info, err := srcinfo.Parse(fmt.Appendf(nil, "pkgbase = %[1]s\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n%[2]s\npkgname = %[1]s\n", slug, fields))
		if err != nil {
			t.Fatal(err)
		}
		return buildgraph.Source{Slug: slug, Ref: "main", Commit: slug, Info: info, Keys: keys}
	}
	const signed, valid = "\tsource = a.tar.gz\n\tsource = a.tar.gz.sig\n", "\tvalidpgpkeys = ABC\n\tvalidpgpkeys = DEF\n"
	for _, test := range []struct {
		name   string
		source buildgraph.Source
		want   []buildgraph.Warning
	}{
		{"no signature", source("a", "\tsource = a.tar.gz\n", []string{}), nil},
		{"all keys", source("a", signed+valid, []string{"ABC.asc", "DEF.asc"}), nil},
		{"no key", source("a", signed+valid, []string{}), []buildgraph.Warning{{Kind: "unverified", Source: "a", Message: "PGP signatures are not verified: keys/pgp has no key (a)"}}},
		{"no validpgpkeys", source("a", signed, nil), []buildgraph.Warning{{Kind: "unverified", Source: "a", Message: "PGP signatures are not verified: validpgpkeys names no key (a)"}}},
		{"a tag", source("a", "\tsource = git+https://h/a?signed#tag=1\n", []string{}), []buildgraph.Warning{{Kind: "unverified", Source: "a", Message: "PGP signatures are not verified: validpgpkeys names no key (a)"}}},
		{"one key", source("a", signed+valid, []string{"ABC.asc"}), []buildgraph.Warning{{Kind: "unverified", Source: "a", Message: "a/main: keys/pgp has no DEF.asc; a source that is signed with this key of validpgpkeys cannot be built"}}},
		{"keys are not known", source("a", signed+valid, nil), nil},
		{"of another architecture", source("a", "\tsource_aarch64 = a.sig\n", []string{}), nil},
	} {
		plan, err := buildgraph.NewIndex([]buildgraph.Source{test.source}, buildgraph.Options{}).Plan(t.Context(), buildgraph.Request{
			Changesets: []buildgraph.Source{test.source}, Architectures: []string{"x86_64"}, Settings: buildbtw.Settings{Scope: buildbtw.ScopeNone},
		})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(plan.Warnings, test.want) {
			t.Errorf("%s: %+v", test.name, plan.Warnings)
		}
	}
}

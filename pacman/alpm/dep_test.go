package alpm_test

import (
	"strings"
	"testing"

	"buildbtw/pacman/alpm"
)

func TestParseDep(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]alpm.Dep{
		"foo":                 {Name: "foo"},
		"foo<1":               {Name: "foo", Op: "<", Version: "1"},
		"foo<=1:2-3":          {Name: "foo", Op: "<=", Version: "1:2-3"},
		"foo=1":               {Name: "foo", Op: "=", Version: "1"},
		"foo>=1":              {Name: "foo", Op: ">=", Version: "1"},
		"foo>1":               {Name: "foo", Op: ">", Version: "1"},
		"foo>=":               {Name: "foo", Op: ">="}, // makepkg lets an empty version pass, too
		"@a.b_c+d-E":          {Name: "@a.b_c+d-E"},
		"foo: to do: this<2":  {Name: "foo", Desc: "to do: this<2"},
		"foo>=1:2: to do":     {Name: "foo", Op: ">=", Version: "1:2", Desc: "to do"},
		"foo:":                {Name: "foo"},
		"libfoo.so=5-64":      {Name: "libfoo.so", Op: "=", Version: "5-64"},
		"lib:libfoo.so.5":     {Name: "lib:libfoo.so.5"},
		"lib32:libfoo.so.5.1": {Name: "lib32:libfoo.so.5.1"},
	} {
		got, err := alpm.ParseDep(s)
		if err != nil || got != want {
			t.Errorf("ParseDep(%q) = %+v, %v; want %+v", s, got, err, want)
		}
		if again, err := alpm.ParseDep(got.String()); err != nil || again != got {
			t.Errorf("%q is written as %q, which reads %+v, %v", s, got, again, err)
		}
	}
}

func TestIllegalDepsAreErrors(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", " ", "<1", "-foo", ".foo", "foo bar", "foo >= 1", "foo>=1 2", "foo/bar", "a:b",
		"föö", "foo\x00", "foo>=1/2", "foo=\n", strings.Repeat("a", 201),
	} {
		if got, err := alpm.ParseDep(s); err == nil {
			t.Errorf("ParseDep(%q) = %+v, want an error", s, got)
		}
	}
}

func TestSatisfaction(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dep, version string
		want         bool
	}{
		{"a", "1-1", true},
		{"a=1", "1-7", true}, // no pkgrel asked for: any will do
		{"a=1-7", "1-7", true},
		{"a=1-6", "1-7", false},
		{"a>=1-8", "1-7", false},
		{"a>1", "1-7", false},
		{"a<=1", "1-7", true},
		{"a<1", "1-7", false},
		{"a<2", "1:1-1", false},
		{"a>=2", "1:1-1", true},
		{"a<1.0", "1.0rc1-1", true},
		{"a>1.0", "1.0.1-1", true},
	} {
		dep, err := alpm.ParseDep(c.dep)
		if err != nil || dep.SatisfiedBy(c.version) != c.want {
			t.Errorf("%s met by %s: %v (error %v), want %v", c.dep, c.version, !c.want, err, c.want)
		}
	}
}

func TestProvidesMeetConstraintsOnlyWithAVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dep, provide string
		want         bool
	}{
		{"a", "a", true},
		{"a", "a=1", true},
		{"a", "b=1", false},
		{"a=1", "a", false},
		{"a>=1", "a", false},
		{"a<1", "a", false},
		{"a>=1", "a=2", true},
		{"a>=3", "a=2", false},
		{"a>=1", "a>=2", false}, // pacman takes only = for a version
		{"a", "a>=2", true},
		{"libx.so=5-64", "libx.so=5-64", true},
		{"libx.so=5-64", "libx.so=4-64", false},
		{"libx.so=5-64", "libx.so", false},
		{"lib:libx.so.5", "lib:libx.so.5", true},
	} {
		dep, err := alpm.ParseDep(c.dep)
		if err != nil {
			t.Fatal(err)
		}
		provide, err := alpm.ParseProvide(c.provide)
		if err != nil || dep.SatisfiedByProvide(provide) != c.want {
			t.Errorf("%s met by the provide %s: %v (error %v), want %v", c.dep, c.provide, !c.want, err, c.want)
		}
	}
	if p, err := alpm.ParseProvide("a b"); err == nil {
		t.Errorf("illegal provide is read as %v", p)
	}
}

func TestParseSoname(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]alpm.Soname{
		"libx.so":                {Library: "libx.so"},
		"libx.so=5-64":           {Library: "libx.so", Version: "5", Bits: "64"},
		"libx.so=1.2-32":         {Library: "libx.so", Version: "1.2", Bits: "32"},
		"libx-2.so=libx-2.so-64": {Library: "libx-2.so", Version: "libx-2.so", Bits: "64"},
		"lib:libx.so.5":          {Prefix: "lib", Library: "libx.so", Version: "5"},
		"lib32:libx.so.1.2":      {Prefix: "lib32", Library: "libx.so", Version: "1.2"},
		"lib:libx-2.0.so":        {Prefix: "lib", Library: "libx-2.0.so"},
		"libstdc++.so.6":         {Library: "libstdc++.so", Version: "6"},
	} {
		got, ok := alpm.ParseSoname(s)
		if !ok || got != want {
			t.Errorf("ParseSoname(%q) = %+v, %v; want %+v", s, got, ok, want)
		}
		if again, ok := alpm.ParseSoname(got.String()); !ok || again != got {
			t.Errorf("%q is written as %q, which reads %+v, %v", s, got, again, ok)
		}
	}
	for _, s := range []string{
		"", "foo", ".so", "so", "foo.sofa", "libx.so>=5", "libx.so=", "libx.so=5 6", "x y.so",
		"lib:foo", ":libx.so", "a b:libx.so", "libx.so.5=5-64", "lib:libx.so=5-64", "libx.so==5", "a/b.so",
	} {
		if got, ok := alpm.ParseSoname(s); ok {
			t.Errorf("ParseSoname(%q) = %+v, want none", s, got)
		}
	}
}

func TestSonamesMatchWhenNothingDiffers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"libx.so", "libx.so=5-64", true},
		{"libx.so", "lib:libx.so.5", true},
		{"libx.so=5-64", "lib:libx.so.5", true},
		{"libx.so=5-64", "libx.so=6-64", false},
		{"libx.so=5-64", "libx.so=5-32", false},
		{"libx.so=5-64", "lib32:libx.so.5", false},
		{"libx.so", "liby.so", false},
	} {
		a, _ := alpm.ParseSoname(c.a)
		b, _ := alpm.ParseSoname(c.b)
		if a.Matches(b) != c.want || b.Matches(a) != c.want {
			t.Errorf("%s and %s match: want %v", c.a, c.b, c.want)
		}
	}
}

func FuzzParseDep(f *testing.F) {
	for _, s := range []string{"foo>=1:2-3: text", "lib:libx.so.5", "libx.so=5-64", "a<=", ": x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		dep, err := alpm.ParseDep(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(dep.Name+dep.Version, " /\x00\n") || dep.Name == "" {
			t.Errorf("ParseDep(%q) = %+v", s, dep)
		}
		if again, err := alpm.ParseDep(dep.String()); err != nil || again != dep {
			t.Errorf("%q: %+v is written as %q, which reads %+v, %v", s, dep, dep, again, err)
		}
	})
}

func FuzzParseSoname(f *testing.F) {
	for _, s := range []string{"libx.so", "libx.so=5-64", "lib:libx.so.5", "libx.so=5", "0.so==", "a.so=b.so"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		soname, ok := alpm.ParseSoname(s)
		if !ok {
			return
		}
		if again, ok := alpm.ParseSoname(soname.String()); !ok || again.String() != soname.String() {
			t.Errorf("%q: %+v is written as %q, which reads %+v, %v", s, soname, soname, again, ok)
		}
	})
}

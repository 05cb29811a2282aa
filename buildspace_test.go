package buildbtw_test

import (
	"strings"
	"testing"

	"buildbtw"
)

func TestParseChangeset(t *testing.T) {
	t.Parallel()
	commit := strings.Repeat("0123456789", 4)
	good := map[string]buildbtw.Changeset{
		"curl":                  {Source: "curl"},
		"curl/main":             {Source: "curl", Ref: "main"},
		"gtk+/feature/new-menu": {Source: "gtk+", Ref: "feature/new-menu"},
		"libstdc++5/v1.0-2":     {Source: "libstdc++5", Ref: "v1.0-2"},
		"curl/" + commit:        {Source: "curl", Ref: commit},
		"_a@b.c/1-2.3-1":        {Source: "_a@b.c", Ref: "1-2.3-1"},
	}
	for in, want := range good {
		got, err := buildbtw.ParseChangeset(in)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", in, got, err, want)
		}
	}
	bad := []string{
		"", "/", "/main", "curl/", "curl//main", "curl/main/", ".curl/main", "-curl", "../etc", "curl/../../etc", "curl/a..b",
		"cu rl", "curl/ma in", "curl\x00", "curl/ma\x00in", "curl/a~1", "curl/a^", "curl/a:b", "curl/a?b", "curl/a*b", "curl/a[b", `curl/a\b`,
		"curl/-d", "curl/a.lock", "curl/a.", "curl/a@{1}", "ürl/main", "curl/\x7f", strings.Repeat("a", 300), "curl/" + strings.Repeat("a", 300),
	}
	for _, in := range bad {
		if got, err := buildbtw.ParseChangeset(in); buildbtw.KindOf(err) != buildbtw.KindInvalid || err == nil {
			t.Errorf("%.50q: %+v, %v; want it refused as invalid", in, got, err)
		}
	}
}

func TestParseChangesetsRefusesNoneAndTwice(t *testing.T) {
	t.Parallel()
	for _, list := range [][]string{nil, {}, {"curl", "curl/main"}, {"curl", "../x"}} {
		if _, err := buildbtw.ParseChangesets(list); buildbtw.KindOf(err) != buildbtw.KindInvalid || err == nil {
			t.Errorf("%q: %v, want it refused", list, err)
		}
	}
	got, err := buildbtw.ParseChangesets([]string{"curl/main", "bash"})
	if err != nil || len(got) != 2 || got[0].String() != "curl/main" || got[1].String() != "bash" {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzParseChangeset(f *testing.F) {
	for _, seed := range []string{"curl", "curl/main", "gtk+/a/b", "curl/", "../x", "a/-b", "a/b..c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		c, err := buildbtw.ParseChangeset(in)
		if err != nil {
			if buildbtw.KindOf(err) != buildbtw.KindInvalid {
				t.Fatalf("%q: %v is not for people", in, err)
			}
			return
		}
		if c.String() != in {
			t.Fatalf("%q came back as %q", in, c.String())
		}
		if strings.Contains(c.Source, "/") || strings.Contains(in, "..") && strings.Contains(c.Ref, "..") || strings.HasPrefix(c.Ref, "-") {
			t.Fatalf("%q was taken as %+v", in, c)
		}
		name := buildbtw.DefaultBuildspaceName([]buildbtw.Changeset{c})
		if err := buildbtw.CheckBuildspaceName(name); err != nil {
			t.Fatalf("%q gives the default name %q: %v", in, name, err)
		}
	})
}

func TestBuildspaceNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "curl-8.5", "0day", "a_b.c-d", "core-utils", "extras", strings.Repeat("a", 64)} {
		if err := buildbtw.CheckBuildspaceName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	bad := []string{"local", "options", "core", "extra-testing", "multilib", "", "A", "curl/main", "..", "a..b", ".a", "-a", "_a", "a b", "a\x00", "a\n", "ä", strings.Repeat("a", 65), strings.Repeat("a", 300)}
	for _, name := range bad {
		if err := buildbtw.CheckBuildspaceName(name); buildbtw.KindOf(err) != buildbtw.KindInvalid || err == nil {
			t.Errorf("%.40q: %v, want it refused", name, err)
		}
	}
}

func TestDefaultBuildspaceNames(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"curl": "curl", "curl/security-fix": "curl-security-fix", "gtk+": "gtk", "libstdc++5": "libstdc-5", "Foo/Bar": "foo-bar",
		"@": "buildspace", "curl/" + strings.Repeat("x", 200): "curl-" + strings.Repeat("x", 51),
	}
	for in, want := range tests {
		c, err := buildbtw.ParseChangeset(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := buildbtw.DefaultBuildspaceName([]buildbtw.Changeset{c}); got != want {
			t.Errorf("%.40q: %q, want %q", in, got, want)
		}
	}
}

func TestSettingsAreValidated(t *testing.T) {
	t.Parallel()
	if err := buildbtw.DefaultSettings().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	breaks := map[string]func(*buildbtw.Settings){
		"scope":        func(s *buildbtw.Settings) { s.Scope = "everything" },
		"cycles":       func(s *buildbtw.Settings) { s.Cycles = "" },
		"priority":     func(s *buildbtw.Settings) { s.Priority = "urgent" },
		"architecture": func(s *buildbtw.Settings) { s.Architectures = buildbtw.Names{"x86_64", "../x"} },
		"exclude":      func(s *buildbtw.Settings) { s.Exclude = buildbtw.Names{""} },
		"add":          func(s *buildbtw.Settings) { s.Add = buildbtw.Names{"a b"} },
	}
	for what, spoil := range breaks {
		s := buildbtw.DefaultSettings()
		spoil(&s)
		if err := s.Validate(); buildbtw.KindOf(err) != buildbtw.KindInvalid || err == nil {
			t.Errorf("a wrong %s: %v, want it refused", what, err)
		}
	}
}

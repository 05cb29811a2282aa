package signing_test

import (
	"strings"
	"testing"
	"time"

	"buildbtw/signing"
)

const key = "1CF8C1B542DC4CCACAB6AEF6666E2C7CC8AFF506"

// record returns what a signer remembers of a list that it signed.
func record(l signing.List, at time.Time) signing.Record {
	r := signing.Record{At: at, List: l.Digest(), Release: l.Release, Target: l.Target, Buildspace: l.Buildspace, Key: key}
	for _, f := range l.Files {
		r.Signatures = append(r.Signatures, signing.Signature{Name: f.Name, SHA256: f.SHA256, Packet: []byte{0x88}})
	}
	return r
}

func TestThePolicyRefuses(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	var h signing.History
	for _, r := range []signing.Record{
		record(listOf(t, 6, "old1", "old2", "old3"), now.Add(-2*time.Hour)),
		record(listOf(t, 7, "a", "b"), now.Add(-30*time.Minute)),
	} {
		if err := h.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	policy := signing.Policy{Targets: []string{"stable", "testing"}, Databases: []string{"stable"}, Buildspaces: []string{"openssl", "kde-*"}, PerHour: 4}
	if err := policy.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		list   signing.List
		change func(l *signing.List)
		want   string // "": it is signed
	}{
		"a new release":              {list: listOf(t, 8, "c")},
		"the same again":             {list: listOf(t, 7, "a", "b")},
		"a part of it":               {list: listOf(t, 7, "b")},
		"another target":             {listOf(t, 8, "c"), func(l *signing.List) { l.Target = "core" }, "does not sign for the target core; it signs for: stable, testing"},
		"a buildspace of a pattern":  {listOf(t, 8, "c"), func(l *signing.List) { l.Buildspace = "kde-6.5" }, ""},
		"another buildspace":         {listOf(t, 8, "c"), func(l *signing.List) { l.Buildspace = "gnome" }, "does not sign for the buildspace gnome"},
		"another release's files":    {list: listOf(t, 7, "a", "c"), want: "release 7 of stable was signed before, without c-1.0-2"},
		"the same id, other target":  {listOf(t, 7, "c"), func(l *signing.List) { l.Target = "testing" }, ""},
		"files of an older release":  {list: listOf(t, 8, "old1")},
		"a higher version":           {listOf(t, 8, "c"), func(l *signing.List) { l.Files[0] = file(t, "a-1.1-1-x86_64.pkg.tar.zst", "new") }, ""},
		"a higher epoch":             {listOf(t, 8, "c"), func(l *signing.List) { l.Files[0] = file(t, "a-1:0.1-1-x86_64.pkg.tar.zst", "new") }, ""},
		"a lower version":            {listOf(t, 8, "c"), func(l *signing.List) { l.Files[0] = file(t, "a-1.0-1-x86_64.pkg.tar.zst", "new") }, "a 1.0-1 is older than 1.0-2, which was signed for stable"},
		"a lower one, other target":  {listOf(t, 8, "c"), func(l *signing.List) { l.Target, l.Files[0] = "testing", file(t, "a-1.0-1-x86_64.pkg.tar.zst", "new") }, ""},
		"the version, other content": {listOf(t, 8, "c"), func(l *signing.List) { l.Files[0] = file(t, "a-1.0-2-x86_64.pkg.tar.zst", "new") }, "a 1.0-2 was signed for stable with other contents"},
		"databases of a release":     {listOf(t, 7, "a"), func(l *signing.List) { l.Files[0] = file(t, "x86_64/stable.db.tar.zst", "new") }, ""},
		"databases of another":       {listOf(t, 7, "a"), func(l *signing.List) { l.Files[0] = file(t, "x86_64/testing.files.tar.zst", "new") }, "does not sign the databases of the target testing; --databases testing allows it"},
		"as many as go":              {list: listOf(t, 8, "c", "d")},
		"what was signed is free":    {list: listOf(t, 8, "a", "c", "d")},
		"one more in the hour":       {list: listOf(t, 8, "c", "d", "e"), want: "try again after 2026-12-01T12:30:00Z"},
		"more than in any hour":      {list: listOf(t, 8, "c", "d", "e", "f", "g"), want: "signs at most 4 in an hour"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.change != nil {
				c.change(&c.list)
			}
			err := policy.Check(c.list, &h, key, now)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if err := policy.Check(listOf(t, 8, "c", "d", "e"), &h, key, now.Add(31*time.Minute)); err != nil {
		t.Error("half an hour later:", err)
	}
}

// After a change of the key everything is signed anew, but nothing that is not the same.
func TestAnotherKeySignsTheSameFiles(t *testing.T) {
	t.Parallel()
	var h signing.History
	now := time.Now()
	l := listOf(t, 7, "a", "b")
	if err := h.Add(record(l, now.Add(-2*time.Hour))); err != nil {
		t.Fatal(err)
	}
	if got := h.Before(l, key); len(got) != 2 {
		t.Errorf("%d signatures of before", len(got))
	}
	const next = "E6C41B3646B74997BEB91A228E64CE9F0BBF259C"
	if got := h.Before(l, next); len(got) != 0 {
		t.Errorf("%d signatures of another key", len(got))
	}
	policy := signing.Policy{Targets: []string{"stable"}, PerHour: 2}
	if err := policy.Check(l, &h, next, now); err != nil {
		t.Error(err)
	}
}

func TestPoliciesThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, p := range []signing.Policy{
		{PerHour: 1},
		{Targets: []string{"stable"}},
		{Targets: []string{"stable"}, PerHour: 1, Buildspaces: []string{"["}},
		{Targets: []string{"stable"}, PerHour: 1, Databases: []string{"testing"}},
	} {
		if err := p.Validate(); err == nil {
			t.Errorf("%+v is a policy", p)
		}
	}
}

// TestDatabasesOfAReleaseMayChange: another release came meanwhile. Its packages may not.
func TestDatabasesOfAReleaseMayChange(t *testing.T) {
	t.Parallel()
	var h signing.History
	now := time.Now()
	policy := signing.Policy{Targets: []string{"stable"}, Databases: []string{"stable"}, PerHour: 100}
	database := func(content string) signing.List {
		l := listOf(t, 7, "a")
		l.Files = []signing.File{file(t, "x86_64/stable.db.tar.zst", content)}
		return l
	}
	for _, l := range []signing.List{database("one"), listOf(t, 7, "a"), database("two"), listOf(t, 7, "a")} {
		if err := policy.Check(l, &h, key, now); err != nil {
			t.Error(err)
		}
		if err := h.Add(record(l, now)); err != nil {
			t.Fatal(err)
		}
	}
	if err := policy.Check(listOf(t, 7, "a", "b"), &h, key, now); err == nil || !strings.Contains(err.Error(), "without b-1.0-2") {
		t.Errorf("the release grew: %v", err)
	}
}

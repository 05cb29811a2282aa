package baserepo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"buildbtw"
)

// What a database may lose from one version to the next without a person's word: so many
// names, or so large a part of them. A mirror that is being synchronised, or a repository that
// was emptied by mistake, loses more; what is computed with it would be wrong.
const (
	mayLose     = 5
	mayLosePart = 100 // one of so many
)

// Lost is what a newer version of a repository has not any more, so that it was not taken.
type Lost struct {
	Repo          string
	Before, After int            // packages of the copy that is used, and of the version that was refused
	Names         buildbtw.Names // that the newer version lacks, and no other base repository has; sorted
	Digest        string         // of Names: Accept wants it, so that nobody accepts what they have not seen
}

// Words says what happened in a sentence.
func (l Lost) Words() string {
	return fmt.Sprintf("it has lost %d of %d packages (%s), which is too many to be taken without a person's word", len(l.Names), l.Before, l.Names.Summary())
}

// lost reports what a repository would lose; nil when that is little, or was accepted.
func (b *Base) lost(r *repository, next database) *Lost {
	before, _ := r.parts[0].table.(database)
	there := map[string]bool{}
	for _, e := range next {
		there[e.Name] = true
	}
	for _, other := range b.repos {
		if other == r {
			continue
		}
		if d, ok := other.parts[0].table.(database); ok {
			for _, e := range d {
				there[e.Name] = true
			}
		}
	}
	l := Lost{Repo: r.Name, Before: len(before), After: len(next)}
	unexpected := 0
	for _, e := range before {
		if !there[e.Name] {
			l.Names = append(l.Names, e.Name)
			if !r.accepted[e.Name] {
				unexpected++
			}
		}
	}
	if unexpected <= max(mayLose, len(before)/mayLosePart) {
		return nil
	}
	slices.Sort(l.Names)
	sum := sha256.Sum256([]byte(strings.Join(l.Names, "\n")))
	l.Digest = hex.EncodeToString(sum[:])
	return &l
}

// Lost lists the repositories of which a newer version was refused because of what it lost,
// in the order of the settings.
func (b *Base) Lost() []Lost {
	var list []Lost
	for _, r := range b.repos {
		if l := r.lost.Load(); l != nil {
			list = append(list, *l)
		}
	}
	return list
}

// Accept takes a newer version of a repository although it lost the names that digest stands
// for, and downloads it at once. The error is NotFound when nothing of that repository was
// refused, a Conflict when it has lost other names by now, and Unavailable when the server does
// not answer.
func (b *Base) Accept(ctx context.Context, repo, digest string) (Lost, error) {
	i := slices.IndexFunc(b.repos, func(r *repository) bool { return r.Name == repo })
	if i < 0 {
		return Lost{}, buildbtw.NotFound("there is no base repository %.80q for %s", repo, b.options.Architecture)
	}
	r := b.repos[i]
	b.refresh.Lock()
	defer b.refresh.Unlock()
	l := r.lost.Load()
	switch {
	case l == nil:
		return Lost{}, buildbtw.NotFound("no newer version of %s for %s was refused; nothing has to be accepted", repo, b.options.Architecture)
	case l.Digest != digest:
		return *l, buildbtw.Conflict("%s has lost other packages than those that you have seen; look again", repo)
	}
	r.accepted = map[string]bool{}
	for _, name := range l.Names {
		r.accepted[name] = true
	}
	result := b.refreshRepository(ctx, r)
	r.accepted = nil
	if result.Changed {
		b.publish()
	}
	if now := r.lost.Load(); now != nil {
		if now.Digest != digest {
			return *now, buildbtw.Conflict("%s has lost more by now than you have seen; look again", repo)
		}
		return *now, buildbtw.Unavailable("%s could not be downloaded: %s", repo, result.Warning)
	}
	return *l, nil
}

// Refused is a repository of an architecture of which a newer version was refused.
type Refused struct {
	Architecture string
	Lost
}

// Refused lists the repositories of which a newer version was refused, by architecture.
func (b Bases) Refused() []Refused {
	var list []Refused
	for _, arch := range b.Architectures() {
		for _, l := range b[arch].Lost() {
			list = append(list, Refused{arch, l})
		}
	}
	return list
}

// Accept is Base.Accept for one of the architectures.
func (b Bases) Accept(ctx context.Context, architecture, repo, digest string) (Lost, error) {
	base, ok := b[architecture]
	if !ok {
		return Lost{}, buildbtw.NotFound("there are no base repositories for %.80q", architecture)
	}
	return base.Accept(ctx, repo, digest)
}

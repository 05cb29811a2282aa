package scheduler

import (
	"errors"
	"io/fs"
	"testing"
	"time"
)

func TestARootThatCannotBeReadKeepsItsNumbers(t *testing.T) {
	c := &Catalog{}
	now := time.Now()
	c.roots.note(look{root: "/srv/packages", began: now, ended: now.Add(time.Second), sources: 7, broken: 2})
	c.roots.note(look{root: "/srv/other", began: now, ended: now, sources: 1})
	c.roots.note(look{root: "/srv/packages", began: now, ended: now.Add(time.Minute), err: &fs.PathError{Op: "open", Path: "/srv/packages", Err: errors.New("gone")}})
	roots := c.Roots(t.Context())
	if len(roots) != 2 || roots[0].Name != "other" || roots[1].Sources != 7 || roots[1].Broken != 2 || roots[1].Seconds != 60 || roots[1].Error != "open packages: gone" {
		t.Errorf("%+v", roots)
	}
	c.roots.note(look{root: "/srv/packages", began: now, ended: now, sources: 8})
	if roots = c.Roots(t.Context()); roots[1].Sources != 8 || roots[1].Error != "" {
		t.Errorf("after it came back: %+v", roots)
	}
}

package catalog_test

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"buildbtw/catalog"
)

func TestARootThatCannotBeReadKeepsItsNumbers(t *testing.T) {
	t.Parallel()
	c := catalog.New(catalog.Config{})
	now := time.Now()
	c.AddScan(catalog.Scan{Dir: "/srv/packages", Began: now, Ended: now.Add(time.Second), Sources: 7, Broken: 2})
	c.AddScan(catalog.Scan{Dir: "/srv/other", Began: now, Ended: now, Sources: 1})
	c.AddScan(catalog.Scan{Dir: "/srv/packages", Began: now, Ended: now.Add(time.Minute), Err: &fs.PathError{Op: "open", Path: "/srv/packages", Err: errors.New("gone")}})
	roots := c.Roots()
	if len(roots) != 2 || roots[0].Name != "other" || roots[1].Sources != 7 || roots[1].Broken != 2 || roots[1].Took != time.Minute || roots[1].Error != "open packages: gone" {
		t.Errorf("%+v", roots)
	}
	c.AddScan(catalog.Scan{Dir: "/srv/packages", Began: now, Ended: now, Sources: 8})
	if roots = c.Roots(); roots[1].Sources != 8 || roots[1].Error != "" {
		t.Errorf("after it came back: %+v", roots)
	}
}

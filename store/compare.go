package store

import (
	"context"
	"encoding/json"
	"fmt"

	"buildbtw"
	"buildbtw/pacman/alpm"
)

// ComparedBuild is a build of an iteration that is compared with another.
type ComparedBuild struct {
	ID           int64
	Architecture string
	Pkgbase      string
	Stage        int
	Source       string
	Commit       string
	Version      string
	Status       buildbtw.Status
	SkipReason   buildbtw.Cause
	Reused       bool
	Seconds      int // that the latest attempt took; -1: it has not ended
}

// ComparedBuilds lists the builds of an iteration for all architectures. It reads row by
// row: there are thousands.
func (q *Reader) ComparedBuilds(ctx context.Context, iteration int64) ([]ComparedBuild, error) {
	rows, err := q.rows(ctx, "compared_builds", args{"iteration": iteration})
	if err != nil {
		return nil, fmt.Errorf("list the builds of iteration %d: %w", iteration, err)
	}
	defer rows.Close()
	var list []ComparedBuild
	for rows.Next() {
		var b ComparedBuild
		err := rows.Scan(&b.ID, &b.Architecture, &b.Pkgbase, &b.Stage, &b.Source, &b.Commit, &b.Version, &b.Status, &b.SkipReason, &b.Reused, &b.Seconds)
		if err != nil {
			return nil, fmt.Errorf("list the builds of iteration %d: %w", iteration, err)
		}
		list = append(list, b)
	}
	return list, rows.Err()
}

// ComparedPackage is a published package of an iteration.
type ComparedPackage struct {
	BuildID      int64
	Architecture string // of the build
	Pkgname      string
	Version      string
	SHA256       string
}

// ComparedPackages lists the packages of an iteration's built builds, by build.
func (q *Reader) ComparedPackages(ctx context.Context, iteration int64) ([]ComparedPackage, error) {
	rows, err := q.rows(ctx, "compared_packages", args{"iteration": iteration})
	if err != nil {
		return nil, fmt.Errorf("list the packages of iteration %d: %w", iteration, err)
	}
	defer rows.Close()
	var list []ComparedPackage
	for rows.Next() {
		var p ComparedPackage
		if err := rows.Scan(&p.BuildID, &p.Architecture, &p.Pkgname, &p.Version, &p.SHA256); err != nil {
			return nil, fmt.Errorf("list the packages of iteration %d: %w", iteration, err)
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

// InterfacesOfFiles returns the interfaces of package files, by SHA-256. Those that are
// not stored, or cannot be read, are missing.
func (q *Reader) InterfacesOfFiles(ctx context.Context, digests []string) (map[string]alpm.Interface, error) {
	text, err := json.Marshal(digests)
	if err != nil {
		return nil, err
	}
	rows, err := q.rows(ctx, "interfaces_of_files", args{"digests": string(text)})
	if err != nil {
		return nil, fmt.Errorf("load the interfaces of %d packages: %w", len(digests), err)
	}
	defer rows.Close()
	known := make(map[string]alpm.Interface, len(digests))
	for rows.Next() {
		var digest string
		var stored []byte
		if err := rows.Scan(&digest, &stored); err != nil {
			return nil, fmt.Errorf("load the interfaces of %d packages: %w", len(digests), err)
		}
		var i alpm.Interface
		if json.Unmarshal(stored, &i) == nil {
			known[digest] = i
		}
	}
	return known, rows.Err()
}

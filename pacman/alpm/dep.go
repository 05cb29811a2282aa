package alpm

import (
	"fmt"
	"strings"
)

// Dep is a dependency: a name and, perhaps, a constraint on its version.
type Dep struct {
	Name    string // a package, something provided, or a soname
	Op      string // <, <=, =, >= or >; empty when every version will do
	Version string // the version that Op compares with
	Desc    string // of an optional dependency: its purpose
}

// ParseDep parses a dependency of PKGBUILD(5): name, name>=version, and for
// optional ones "name: purpose".
func ParseDep(s string) (Dep, error) {
	d := splitDep(s)
	if err := checkDepName(d.Name); err != nil {
		return Dep{}, fmt.Errorf("dependency %q: %w", s, err)
	}
	if !all(d.Version, isDepVersion) {
		return Dep{}, fmt.Errorf("dependency %q: illegal character in the version", s)
	}
	return d, nil
}

// splitDep is libalpm's alpm_dep_from_string: it looks for <, then >, then =.
// The description begins at ": ", with the space so that an epoch is none.
func splitDep(s string) Dep {
	var d Dep
	if spec, desc, found := strings.Cut(s, ": "); found {
		s, d.Desc = spec, strings.TrimSpace(desc)
	} else if !strings.ContainsAny(s, "<>=") {
		s = strings.TrimSuffix(s, ":") // an empty description, trimmed
	}
	for _, op := range []string{"<", ">", "="} {
		i := strings.Index(s, op)
		if i < 0 {
			continue
		}
		d.Name, d.Op, d.Version = s[:i], op, s[i+1:]
		if op != "=" && strings.HasPrefix(d.Version, "=") {
			d.Op, d.Version = op+"=", d.Version[1:]
		}
		return d
	}
	d.Name = s
	return d
}

// String returns the form that ParseDep reads.
func (d Dep) String() string {
	s := d.Name + d.Op + d.Version
	if d.Desc == "" {
		return s
	}
	return s + ": " + d.Desc
}

// SatisfiedBy reports whether a package called d.Name at this version will do.
func (d Dep) SatisfiedBy(version string) bool {
	c := Vercmp(version, d.Version)
	switch d.Op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case "=":
		return c == 0
	case ">=":
		return c >= 0
	case ">":
		return c > 0
	}
	return true
}

// SatisfiedByProvide reports whether something provided will do. As in pacman a
// constraint is met only by a provide that has a version itself.
func (d Dep) SatisfiedByProvide(p Provide) bool {
	if d.Name != p.Name {
		return false
	}
	return d.Op == "" || p.Versioned && d.SatisfiedBy(p.Version)
}

// Provide is a name that a package stands in for.
type Provide struct {
	Name      string
	Version   string
	Versioned bool // whether it was written name=version
}

// ParseProvide reads name or name=version. A provide with < or > has, as in
// pacman, no version that could satisfy a constraint.
func ParseProvide(s string) (Provide, error) {
	d, err := ParseDep(s)
	if err != nil {
		return Provide{}, err
	}
	if d.Op != "=" {
		return Provide{Name: d.Name}, nil
	}
	return Provide{Name: d.Name, Version: d.Version, Versioned: true}, nil
}

// String returns the form that ParseProvide reads.
func (p Provide) String() string {
	if !p.Versioned {
		return p.Name
	}
	return p.Name + "=" + p.Version
}

package release

// Broken is a package of the repositories that cannot be installed as they are.
type Broken struct {
	View, Package, Base string // Package has name and version
	Dependency          string // that nothing meets; empty: what it depends on cannot be installed, or conflicts
}

// Reason returns what is wrong as a sentence whose subject is the package.
func (b Broken) Reason() string {
	if b.Dependency == "" {
		return "cannot be installed, because of what it depends on or conflicts with"
	}
	return "needs " + b.Dependency + ", which nothing in " + b.View + " has"
}

// Broken lists the packages of the repositories of which a dependency is unmet, or which
// cannot be installed for another reason, in the order of the views and their repositories.
// Libraries that programs link with are looked for only where it is known of all packages
// which they have.
func (b *Base) Broken() []Broken {
	var list []Broken
	for _, v := range b.views {
		for i := range v.nodes {
			n := &v.nodes[i]
			one := Broken{View: v.Name, Package: n.Name + " " + n.Version, Base: n.Base}
			unmet := false
			for _, d := range n.needs {
				if !v.unmet[[2]int32{n.name, d.name}] || d.link && v.linksUnknown > 0 {
					continue
				}
				if one.Dependency = d.text; !d.link {
					unmet = true
				}
				list = append(list, one)
			}
			if !v.able[i] && !unmet {
				one.Dependency = ""
				list = append(list, one)
			}
		}
	}
	return list
}

package api

import "context"

// NameList is a list of names of packages or sources.
type NameList struct {
	Names []string `json:"names"`
}

// ResolvedNames are the names of a list, in its order.
type ResolvedNames struct {
	Names []ResolvedName `json:"names"`
}

// ResolvedName is a name with the source that makes it.
type ResolvedName struct {
	Name    string   `json:"name"`
	Pkgbase string   `json:"pkgbase,omitempty"` // empty when no source makes it
	Source  string   `json:"source,omitempty"`
	InBase  bool     `json:"in_base,omitempty"` // no source makes it, but the base repositories have it
	Near    []string `json:"near,omitempty"`    // similar names, for the first of those that nothing has
}

// ResolveNames finds the pkgbase and source of each name of a list.
func (c *Client) ResolveNames(ctx context.Context, names []string) ([]ResolvedName, error) {
	var r ResolvedNames
	err := c.send(ctx, "POST", "/names", NameList{Names: names}, &r)
	return r.Names, err
}

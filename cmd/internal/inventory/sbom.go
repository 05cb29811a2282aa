package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A bill of materials in the form of CycloneDX 1.6, as far as it is needed:
// https://cyclonedx.org/docs/1.6/json/
type (
	bom struct {
		Format       string       `json:"bomFormat"`
		SpecVersion  string       `json:"specVersion"`
		SerialNumber string       `json:"serialNumber"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		PURL       string     `json:"purl,omitempty"`
		Hashes     []hash     `json:"hashes,omitempty"`
		Licences   []licence  `json:"licenses,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	licence struct {
		Licence struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	}
)

// writeSBOM lists what the linker has put into the programs, with the licences of
// parts. The same programs give the same bytes.
func writeSBOM(out io.Writer, version string, programs []string, parts []part) error {
	used := map[string]component{}
	for _, program := range programs {
		info, err := buildinfo.ReadFile(program)
		if err != nil {
			return err
		}
		used["std"] = component{Name: "std", Version: strings.TrimPrefix(info.GoVersion, "go"), Licences: licences([]string{"BSD-3-Clause"})}
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			i := slices.IndexFunc(parts, func(p part) bool { return p.Name == m.Path && p.Version == m.Version })
			if i < 0 {
				return fmt.Errorf("%s contains %s %s, which is not in the list of modules; build it anew", program, m.Path, m.Version)
			}
			used[m.Path] = component{
				Name: m.Path, Version: m.Version, Licences: licences(parts[i].Licences),
				Properties: []property{{"go:sum", m.Sum}},
			}
		}
	}
	b := bom{Format: "CycloneDX", SpecVersion: "1.6", Version: 1, Metadata: metadata{component{
		Type: "application", Ref: "buildbtw", Name: "buildbtw", Version: version, Licences: licences([]string{"GPL-3.0-or-later"}),
	}}}
	for _, c := range used {
		c.PURL = "pkg:golang/" + c.Name + "@" + strings.ReplaceAll(c.Version, "+", "%2B")
		b.Components = append(b.Components, c)
	}
	for _, p := range parts {
		if p.Browser {
			b.Components = append(b.Components, component{
				Name: p.Name, Version: p.Version, PURL: "pkg:npm/" + strings.ReplaceAll(p.Name, "@", "%40") + "@" + p.Version,
				Licences: licences(p.Licences), Hashes: []hash{{"SHA-512", hex.EncodeToString(p.SHA512)}},
			})
		}
	}
	slices.SortFunc(b.Components, func(x, y component) int { return strings.Compare(x.PURL, y.PURL) })
	sum := sha256.New()
	fmt.Fprintln(sum, version)
	root := dependency{Ref: b.Metadata.Component.Ref}
	b.Dependencies = []dependency{{}}
	for i := range b.Components {
		c := &b.Components[i]
		c.Type, c.Ref = "library", c.PURL
		root.DependsOn = append(root.DependsOn, c.Ref)
		b.Dependencies = append(b.Dependencies, dependency{Ref: c.Ref, DependsOn: []string{}})
		fmt.Fprintln(sum, c.PURL, c.Properties, c.Hashes)
	}
	b.Dependencies[0] = root
	id := sum.Sum(nil)[:16]
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // RFC 9562, version 8
	b.SerialNumber = fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	return writeJSON(out, b)
}

func licences(ids []string) []licence {
	list := make([]licence, len(ids))
	for i, id := range ids {
		list[i].Licence.ID = id
	}
	return list
}

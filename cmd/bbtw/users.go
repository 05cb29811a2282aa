package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/pacman/alpm"
)

// linksCommand and filesCommand ask which packages notice a change that they do not
// name: one of a library, one of a directory.
func (a *app) linksCommand() *cobra.Command {
	return a.usersCommand(true, &cobra.Command{
		Use:   "links LIBRARY",
		Short: "Which packages link with a library?",
		Long: `Lists the packages that link with a library, as sogrep does: those of the base
repositories and those that were built in buildspaces, by what their programs and
libraries need. Packages that depend on the library, or on a package that provides it,
and whose files were not looked into, stand below as "links not known". With --names
the sources of all that link with it are listed for 'bbtw new', with --unknown also
those whose links are not known. For the directory of an interpreter there is 'bbtw files'.`,
		Example: `  bbtw links libssl.so.3
  bbtw links libperl.so          # of any version: its name has none
  bbtw new --scope none $(bbtw links libssl.so.3 --names)
  bbtw links libssl.so --json`,
	})
}

func (a *app) filesCommand() *cobra.Command {
	return a.usersCommand(false, &cobra.Command{
		Use:   "files DIRECTORY",
		Short: "Which packages have files in the directory of an interpreter?",
		Long: `Lists the packages that have files in a directory with a version in its name, in
which an interpreter, a kernel or a compiler looks for modules: those of the base
repositories and those that were built in buildspaces. They have to be built again
when that version changes, whether they depend on it by name or not; 'bbtw plan'
knows them. For a library there is 'bbtw links'.`,
		Example: `  bbtw files python3.13
  bbtw files perl5/5.40
  bbtw files /usr/lib/ruby/gems/3.3.0 --json`,
	})
}

func (a *app) usersCommand(library bool, cmd *cobra.Command) *cobra.Command {
	var arch string
	var names, unknown bool
	type row = api.NameUser
	l := listing[row]{name: func(u row) string { return u.Pkgname }, columns: []column[row]{
		{name: "PACKAGE", text: func(u row) string { return u.Pkgname }},
		{name: "VERSION", text: func(u row) string { return u.Version }},
		{name: "FROM", text: userFrom},
		{name: "USES", text: func(u row) string { return u.Reason }},
		{name: "PKGBASE", wide: true, text: func(u row) string { return u.Pkgbase }},
	}}
	cmd.Args, cmd.ValidArgsFunction = cobra.ExactArgs(1), cobra.NoFileCompletions
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, named := alpm.ParseSoname(args[0]); named && !library {
			return buildbtw.Invalid("%s is a library; 'bbtw links' lists who links with it", plain(args[0]))
		} else if !named && library && strings.Trim(args[0], "/ ") != "" {
			return buildbtw.Invalid("%s is no library, as libssl.so.3 is one; 'bbtw files' lists who has files in a directory", plain(args[0]))
		}
		c, err := a.client(cmd.Context())
		if err != nil {
			return err
		}
		u, err := c.NameUsers(cmd.Context(), args[0], arch)
		if err != nil {
			return err
		}
		if a.isJSON(l.output) {
			l.sorted(u.Users)
			return a.printJSON(u)
		}
		if names {
			return a.printSources(u, unknown)
		}
		if l.output != "name" { // names are of packages that are known to link with it
			a.tellProviders(u)
			u.Users = append(u.Users, asUsers(u.Unknown)...)
		}
		if len(u.Users) == 0 {
			fmt.Fprintf(a.errors, "No package of %s that is known uses %s.\n", u.Architecture, plain(u.Name))
			return unknownPart(a, u)
		}
		if err := l.print(a, u.Users); err != nil {
			return err
		}
		if u.More > 0 {
			fmt.Fprintf(a.errors, "%d more are not listed.\n", u.More)
		}
		return unknownPart(a, u)
	}
	cmd.Flags().StringVar(&arch, "arch", "", "architecture (default: the server's first)")
	a.completeFlag(cmd, "arch", architectureNames)
	if library {
		cmd.Flags().BoolVar(&names, "names", false, "only the sources of the packages, one per line, as 'bbtw new' takes them")
		cmd.Flags().BoolVar(&unknown, "unknown", false, "with --names: also packages whose links are not known")
	}
	l.register(cmd.Flags())
	return cmd
}

// printSources prints the sources of the packages that link with a library, and with
// unknown of those that may, once each.
func (a *app) printSources(u api.NameUsers, unknown bool) error {
	var slugs []string
	missing := map[string]bool{}
	add := func(source, pkgbase string) {
		if source == "" {
			missing[pkgbase] = true
			return
		}
		slugs = append(slugs, source)
	}
	for _, n := range u.Users {
		add(n.Source, n.Pkgbase)
	}
	if unknown {
		for _, n := range u.Unknown {
			add(n.Source, n.Pkgbase)
		}
	}
	slices.Sort(slugs)
	for _, slug := range slices.Compact(slugs) {
		fmt.Fprintln(a.out, plain(slug))
	}
	if u.More > 0 {
		fmt.Fprintf(a.errors, "%d more packages are not listed.\n", u.More)
	}
	if len(missing) > 0 {
		fmt.Fprintf(a.errors, "No source here makes %s.\n", plain(strings.Join(slices.Sorted(maps.Keys(missing)), ", ")))
	}
	if !unknown && len(u.Unknown) > 0 {
		fmt.Fprintf(a.errors, "%d more may link with it, which is not known; --unknown adds them.\n", len(u.Unknown))
	}
	return unknownPart(a, u)
}

// tellProviders says which packages have a library, and how that is known.
func (a *app) tellProviders(u api.NameUsers) {
	for _, p := range u.Providers {
		fmt.Fprintf(a.errors, "%s is provided by %s %s (%s).\n", plain(u.Name), plain(p.Pkgname), plain(p.Version), plain(p.Words))
	}
}

// asUsers makes lines of the list of packages whose links are not known.
func asUsers(unknown []api.UnknownUser) []api.NameUser {
	list := make([]api.NameUser, len(unknown))
	for i, n := range unknown {
		list[i] = api.NameUser{Pkgname: n.Pkgbase, Pkgbase: n.Pkgbase, Source: n.Source, Uses: n.Dependency, Reason: "links not known; depends on " + n.Dependency}
	}
	return list
}

// unknownPart says that packages may be missing.
func unknownPart(a *app, u api.NameUsers) error {
	if u.Whole {
		return nil
	}
	_, err := fmt.Fprintln(a.errors, "Packages of the base may be missing: the server does not have all its lists of files and links.")
	return err
}

// userFrom is the repository of the base that has the package, or the buildspace and
// iteration that built it.
func userFrom(u api.NameUser) string {
	if u.Repository == "" && u.Buildspace == "" {
		return "sources"
	}
	if u.Repository != "" {
		return u.Repository
	}
	return fmt.Sprintf("%s #%d", u.Buildspace, u.Iteration)
}

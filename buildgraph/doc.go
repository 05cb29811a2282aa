// Package buildgraph turns sources and changesets into a plan: the builds,
// their order, and a reason for each. It does no I/O; the same input gives the same
// bytes. docs/engine.md draws the stages; a plan passes the files in this order:
//
//	index.go    sources, linked into one graph per architecture (internal/link)
//	request.go  the way from a request to the finished plan
//	closure.go  which packages the changesets bring in, and why
//	render.go   the plan of a set: cuts (internal/feedback), stages, levels and
//	            priorities (internal/order), in names
//	cycle.go    a shortest cycle for every cut
//	problem.go  warnings, to be read before trusting the plan
//	explain.go  why a package is in a set, or why not
//	package.go  one package: needs, users, providers
//
// # Glossary
//
//   - Source: a git repository at one commit, with its .SRCINFO.
//   - Node: one source on one architecture; it is named by its pkgbase.
//   - Symbol: an interned name or dependency string (link.Symbol).
//   - Edge: one node needs another, for depends, makedepends or checkdepends.
//   - Changeset: a source as it is to be built; it starts the closure.
//   - Closure: all nodes that the changesets reach over edges of the kinds that
//     trigger builds. The scope, additions and exclusions turn it into the set.
//   - Set: the nodes that are built.
//   - Component: a strongly connected component of more than one node: packages
//     that lie on cycles together.
//   - Cut: an edge on a cycle that the order leaves out. Its user is built
//     against the base's package.
//   - Witness: a shortest cycle over a cut, to show why it was made.
//   - Outside: nodes that are not built and over which an order holds: app needs
//     tool (outside) needs lib, so lib comes before app (Edge.Through).
//   - Stage: with `cycles: twice`, a package with a cut edge is built again, in
//     stage 2, after the builds that stage 1 did not wait for.
//   - Level: the longest path from a build that waits for nothing.
//   - Priority, chain: the seconds of the longest chain that starts at a build;
//     the longest of all is the plan's chain.
//   - Duration: the seconds that a build takes, as was measured; unknown ones
//     count as the median.
package buildgraph

// Package buildbtw defines the words of the service and the rules between them.
//
// # The life of a build
//
// A packager names changesets: sources at refs. The loop "iterate" asks
// package buildgraph for a plan (what must be built, in which order, and why)
// and the store writes it as an iteration: builds, edges and cuts are rows.
// A build starts as pending, or as blocked while something it depends on is not
// built. A worker claims a pending build and so holds a lease; it builds against
// the iteration's own pacman repository, streams its log, uploads its packages
// and finishes. Finishing publishes all packages of the build at once and makes
// its dependents pending. What fails stays failed until a person retries it or
// pushes a fix, which makes the next iteration.
//
// # Where things are
//
// This package imports only the standard library. docs/design.md is the map of
// the others; dependencies point down only, and imports_test.go says which package
// may import which. docs/domain.md has the rules and a glossary.
package buildbtw

package store

// Blocker is a build that others wait for in vain.
type Blocker struct {
	Build  BuildRef
	Blocks int // builds that cannot start because of it, directly or through others
}

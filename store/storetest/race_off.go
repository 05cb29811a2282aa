//go:build !race

package storetest

// RaceDetector reports whether the race detector watches the tests: they are slower then,
// and allocate more.
const RaceDetector = false

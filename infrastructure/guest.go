// Package infrastructure holds the scripts that run elsewhere than on the
// server: inside the virtual machines that build.
package infrastructure

import "embed"

// guest is what a guest gets from its build machine.
//
//go:embed guest/*.sh
var guest embed.FS

// GuestScript gives a script of infrastructure/guest by its name without .sh;
// ok is false when there is none.
func GuestScript(name string) (text string, ok bool) {
	b, err := guest.ReadFile("guest/" + name + ".sh")
	return string(b), err == nil
}

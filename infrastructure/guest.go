// Package infrastructure holds the scripts that run elsewhere than on the
// server: inside the virtual machines that build.
package infrastructure

import "embed"

// guest is what a guest gets from its build machine.
//
//go:embed guest/*.sh
var guest embed.FS

// GuestScript returns a script of infrastructure/guest by its name without .sh;
// ok is false when there is none. chroot has the functions that devtools and the
// runner pkgctl share.
func GuestScript(name string) (text string, ok bool) {
	b, err := guest.ReadFile("guest/" + name + ".sh")
	if err == nil && name == "devtools" {
		functions, found := GuestScript("chroot")
		return functions + string(b), found
	}
	return string(b), err == nil
}

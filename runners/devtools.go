package runners

import (
	"cmp"
	"regexp"
	"strings"
)

// machineWords is what devtools and pacman print when the machine is at fault.
var machineWords = regexp.MustCompile(strings.Join([]string{
	`failed retrieving file`, `failed to synchronize`, `Could not resolve host`, `Operation too slow`,
	`unable to lock database`, `failed to commit transaction \(download library error\)`,
	`sudo: `, `Failed to (create|allocate|register) .*(machine|scope|cgroup)`, `failed to create archroot`,
	`Failed to (install|update) .*chroot`,
}, "|"))

// JudgeBuild says what the failure of a build with devtools or makepkg means.
// devtools ends with 255 for every cause, so only what it printed can tell: a
// function of the PKGBUILD that failed is the package's fault, a chroot that
// could not be made is not. ended says how the program ended.
func JudgeBuild(watch *LogWatch, ended string) Result {
	reason := watch.Reason()
	switch {
	case strings.HasSuffix(reason, "() failed"):
		return Failed("%s (%s)", reason, ended)
	case watch.Matches(machineWords):
		return Infrastructure("devtools could not build: %s (%s)", reason, ended)
	}
	return Failed("%s (%s)", cmp.Or(reason, "no reason given"), ended)
}

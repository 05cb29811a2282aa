package runners

import (
	"cmp"
	"fmt"
	"strings"
)

// Exit codes of infrastructure/guest/chroot.sh. The package cannot choose one: it decides
// at most whether a step fails.
const (
	noChroot    = 101 // the chroot could not be made, updated or copied
	noDownload  = 102 // packages could not be downloaded
	noInstall   = 103 // packages could not be installed
	badSources  = 104 // the sources do not match the PKGBUILD's checksums
	buildFailed = 105
)

// JudgeDevtools returns the result of a build in a clean chroot that ended with a
// code: the step that failed decides who is at fault, and the log has the reason. last is
// the end of the log, the reason if no pattern matches.
func JudgeDevtools(watch *LogWatch, code int, last string) Result {
	reason := cmp.Or(watch.Reason(), lastLine(last), "no reason given")
	switch code {
	case noChroot:
		if watch.unreachable {
			return Unreachable("the chroot could not be made ready: %s", reason)
		}
		return Infrastructure("the chroot could not be made ready: %s", reason)
	case noDownload, noInstall:
		if watch.Unsatisfiable() {
			return Failed("the dependencies cannot be installed: %s", reason)
		}
		if code == noDownload {
			return Unreachable("the dependencies could not be downloaded: %s", reason)
		}
		return Infrastructure("the dependencies could not be installed: %s", reason)
	case badSources:
		return PackageFailed("the sources could not be verified: %s", reason)
	case buildFailed:
		if !strings.HasSuffix(reason, "() failed") && (watch.corrupted || watch.machineFault) {
			r := Infrastructure("the build could not be begun: %s", reason)
			r.Doubtful = true // the package could have printed it
			return r
		}
		return PackageFailed("%s", reason)
	}
	return Infrastructure("devtools could not be run: %s (%s)", reason, fmt.Sprintf("exit code %d", code))
}

// lastLine returns the last line of a text that is not empty.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

package vm

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"buildbtw"

	"buildbtw/internal/shell"
	"buildbtw/runners"
)

// fill writes the guest's input: the source, its settings, the script.
func (r *Runner) fill(g guest) error {
	text, err := script(r.options.Script)
	if err != nil {
		return err
	}
	for _, dir := range []string{g.in, g.out} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"job.env": r.environment(g.job), "guest.sh": text, "srcinfo": g.job.Srcinfo,
	} {
		if err := os.WriteFile(filepath.Join(g.in, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return os.Rename(g.job.Tree, filepath.Join(g.in, "source"))
}

// environment returns the script's settings, as assignments for a shell.
func (r *Runner) environment(job runners.Job) string {
	values := map[string]string{
		"BUILDBTW_BUILD": job.BuildID, "BUILDBTW_PKGBASE": job.Pkgbase, "BUILDBTW_ARCH": job.Architecture,
		"BUILDBTW_REPO_NAME": job.Repository.Name, "BUILDBTW_REPO_URL": guestURL(job.Repository.URL),
		"BUILDBTW_NOCHECK": "", "BUILDBTW_JOBS": fmt.Sprint(r.options.Jobs),
		"SOURCE_DATE_EPOCH": fmt.Sprint(job.SourceDate), "PACKAGER": r.options.Packager,
	}
	if job.NoCheck {
		values["BUILDBTW_NOCHECK"] = "yes"
	}
	var lines []string
	for name, value := range values {
		lines = append(lines, name+"="+shell.Quote(value)+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// guestURL returns an address of the build machine as a guest has to call it. Other
// machines it reaches under their own names.
func guestURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	ip := net.ParseIP(u.Hostname())
	if u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return address
	}
	host := buildbtw.HostFromGuest
	if port := u.Port(); port != "" {
		host = net.JoinHostPort(buildbtw.HostFromGuest, port)
	}
	u.Host = host
	return u.String()
}

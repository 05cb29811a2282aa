package vm

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"buildbtw"

	"buildbtw/internal/shell"
	"buildbtw/pacman/srcinfo"
	"buildbtw/runners"
	"buildbtw/runners/fetch"
)

// fill writes the guest's input: the source, the fetched files, settings, the script.
func (r *Runner) fill(g guest, sources string) error {
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
		"job.env": r.environment(g), "guest.sh": text, "srcinfo": g.job.Srcinfo,
	} {
		if err := os.WriteFile(filepath.Join(g.in, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := os.Rename(sources, filepath.Join(g.in, "srcdest")); err != nil {
		return err
	}
	return os.Rename(g.job.Tree, filepath.Join(g.in, "source"))
}

// environment returns the script's settings, as assignments for a shell.
func (r *Runner) environment(g guest) string {
	job := g.job
	values := map[string]string{
		"BUILDBTW_BUILD": job.BuildID, "BUILDBTW_PKGBASE": job.Pkgbase, "BUILDBTW_ARCH": job.Architecture,
		"BUILDBTW_REPO_NAME": job.Repository.Name, "BUILDBTW_REPO_URL": guestURL(job.Repository.URL),
		"BUILDBTW_NOCHECK": "", "BUILDBTW_IGNOREARCH": "", "BUILDBTW_SKIPPGP": "", "BUILDBTW_DOOR": "", "BUILDBTW_MISSING": strings.Join(g.missing, "\n"), "BUILDBTW_JOBS": fmt.Sprint(r.options.Jobs),
		"SOURCE_DATE_EPOCH": fmt.Sprint(job.SourceDate), "PACKAGER": r.options.Packager,
	}
	if job.NoCheck {
		values["BUILDBTW_NOCHECK"] = "yes"
	}
	if info, err := srcinfo.Parse([]byte(job.Srcinfo)); err == nil && !info.Allows(job.Architecture) { // so the server was told to ignore that
		values["BUILDBTW_IGNOREARCH"] = "yes"
	}
	if g.door != nil {
		values["BUILDBTW_DOOR"], values["BUILDBTW_REPO_URL"] = doorURL, doorURL+fetch.DoorRepository
	}
	if g.unverified != "" {
		values["BUILDBTW_SKIPPGP"] = "yes"
	}
	var lines []string
	for name, value := range values {
		lines = append(lines, name+"="+shell.Quote(value)+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// doorURL is where a guest of QEMU's finds its door: an address in QEMU's own
// network, of which nothing else answers.
const doorURL = "http://" + doorAddress

const doorAddress = "10.0.2.100"

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

// missingHere returns the names of those of a job's dependencies that this machine does
// not have.
func missingHere(ctx context.Context, job runners.Job) []string {
	info, err := srcinfo.Parse([]byte(job.Srcinfo))
	if err != nil {
		return nil // said where it is built
	}
	deps := slices.Concat(info.Base.Depends.For(job.Architecture), info.Base.MakeDepends.For(job.Architecture))
	if !job.NoCheck {
		deps = append(deps, info.Base.CheckDepends.For(job.Architecture)...)
	}
	slices.Sort(deps)
	return runners.MissingHere(ctx, slices.Compact(deps))
}

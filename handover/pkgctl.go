package handover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/catalog"
	"buildbtw/internal/guard"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// The packages of a target of kind pkgctl are handed over by a packager, who runs db-update at
// the distribution. A confirmed release waits for that: whoever asks gets its Bundle, and the
// base repositories, which are those of the distribution, show when it has happened.

// Host returns where packagers run db-update for a target of kind pkgctl; empty for others.
func (h *Handover) Host(target string) string { return h.pkgctl(target).Host }

// Where says which repositories receive the packages of a target of kind pkgctl, in sentences.
func (h *Handover) Where(target string) string {
	p := h.pkgctl(target)
	if p.Host == "" {
		return ""
	}
	words := "Packages go into the repository that has them."
	if p.Suffix != "" {
		words = "Packages go into the repository with " + p.Suffix + " behind the name of the one that has them."
	}
	if p.New != "" {
		return words + " New ones go into " + p.New + p.Suffix + "."
	}
	return words + " New ones are not taken."
}

func (h *Handover) pkgctl(target string) buildbtw.Pkgctl {
	if h == nil {
		return buildbtw.Pkgctl{} // nothing is released
	}
	return h.target(target).Pkgctl
}

// stage makes a confirmed release wait for the packager. Only one of a target waits: what goes
// after it is computed on what it leaves.
func (h *Handover) stage(ctx context.Context, t store.TargetRow, r store.ReleaseRow) error {
	before, err := h.Store.WaitingReleases(ctx, t.ID)
	if err != nil {
		return err
	}
	if len(before) > 0 {
		return h.Store.NoteRelease(ctx, r.ID, fmt.Sprintf("Waits until release %d to %s is in the repositories, or is given up.", before[0].ID, t.Name))
	}
	set, _, _, ok, err := h.confirmed(ctx, r, buildbtw.Generation{}, false)
	if err != nil || !ok {
		return err
	}
	return h.Store.WaitForRepository(ctx, r.ID, stagedFiles(set))
}

// stagedFiles returns the files of a set, each once, with the repositories that receive them.
func stagedFiles(set catalog.Release) []buildbtw.ReleaseFile {
	files := map[string]buildbtw.ReleaseFile{}
	for _, pkgbase := range set.Goes {
		for arch, list := range set.Files[pkgbase] {
			for _, f := range list {
				if _, ok := files[f.Filename]; !ok || arch == set.Architectures[0] {
					files[f.Filename] = buildbtw.ReleaseFile{
						Name: f.Filename, Pkgbase: pkgbase, Pkgname: f.Pkgname, Version: f.Version, Architecture: f.Architecture,
						Repository: set.Repositories[pkgbase], SHA256: f.SHA256, Size: f.Size, BuildID: set.BuildOf(pkgbase, arch).ID,
					}
				}
			}
		}
	}
	return slices.Collect(maps.Values(files))
}

// observeAll looks how much of the releases that wait the repositories have.
func (h *Handover) observeAll(ctx context.Context) error {
	waiting, err := h.Store.WaitingReleases(ctx, 0)
	failures := []error{err}
	for _, r := range waiting {
		err := guard.Run(func() error {
			unlock, err := h.lock(ctx, r.Target)
			if err != nil {
				return err
			}
			defer unlock()
			_, err = h.observe(ctx, r.ID)
			return err
		})
		if err != nil {
			failures = append(failures, fmt.Errorf("look for release %d in the repositories: %w", r.ID, err))
		}
	}
	return errors.Join(failures...)
}

// Progress is how much of a release the repositories of the distribution have.
type Progress struct {
	Files   int
	There   int
	Missing buildbtw.Names // files, by name
	Foreign string         // why they will never have all of it, in a sentence; empty: they may
}

// observe looks how much of a release that waits the repositories have, as they were read
// last, and notes it: with all of it, it is released.
func (h *Handover) observe(ctx context.Context, id int64) (Progress, error) {
	r, err := h.Store.Release(ctx, id)
	if err != nil || r.State != buildbtw.ReleaseWaiting {
		return Progress{}, err
	}
	p, err := h.InRepositories(ctx, id)
	switch {
	case err != nil:
		return p, err
	case p.There == p.Files && p.Files > 0:
		return p, h.Store.EndRelease(ctx, buildbtw.System, id, buildbtw.ReleaseReleased, "")
	case p.Foreign != "":
		return p, h.Store.NoteRelease(ctx, id, p.Foreign+" Give this release up.")
	case p.There > 0:
		return p, h.Store.NoteRelease(ctx, id, fmt.Sprintf("%d of %d packages are in the repositories. Missing: %s.", p.There, p.Files, p.Missing.Summary()))
	}
	return p, h.Store.NoteRelease(ctx, id, "")
}

// InRepositories counts the files of a release that the base repositories have.
func (h *Handover) InRepositories(ctx context.Context, id int64) (Progress, error) {
	files, err := h.Store.ReleaseFiles(ctx, id)
	if err != nil {
		return Progress{}, err
	}
	var p Progress
	exactly := false
	for _, f := range files {
		counted, there := false, true
		for _, arch := range slices.Sorted(maps.Keys(h.Bases)) {
			if f.Architecture != "any" && f.Architecture != arch {
				continue
			}
			look := lookFor(f, h.Bases[arch].Snapshot())
			counted = counted || look != notListed
			switch look {
			case otherBytes:
				p.Foreign = fmt.Sprintf("The repositories have a file %s that was built elsewhere.", f.Name)
				there = false
			case exact:
				exactly = true
			case missing:
				there = false
			}
		}
		if !counted {
			continue // packages of debugging symbols, whose repository is none of the base's
		}
		if p.Files++; there {
			p.There++
		} else {
			p.Missing = append(p.Missing, f.Name)
		}
	}
	if !exactly { // newer versions alone were there before
		p.There, p.Missing = 0, p.Missing[:0]
		for _, f := range files {
			p.Missing = append(p.Missing, f.Name)
		}
	}
	return p, nil
}

// found is how a repository has a file.
type found int

const (
	missing    found = iota
	exact            // the file, in the repository or one that it was moved to since
	newer            // a newer version of the package: with others of the release, somebody has followed it up
	otherBytes       // another file of the same name
	notListed        // nobody knows: the repository is none of the base's
)

func lookFor(f buildbtw.ReleaseFile, s *baserepo.Snapshot) found {
	repository := f.Repository
	if f.Pkgname == alpm.DebugName(f.Pkgbase) {
		if repository += debugSuffix; !slices.Contains(s.Repositories(), repository) {
			return notListed
		}
	}
	stable := func(name string) string {
		name, debug := strings.CutSuffix(name, debugSuffix)
		if name = buildbtw.Stable(name); debug {
			name += debugSuffix
		}
		return name
	}
	result := missing
	for _, e := range s.Named(f.Pkgname) {
		switch {
		case stable(e.Repo) != stable(repository):
		case e.Filename == f.Name && (e.SHA256 == "" || e.SHA256 == f.SHA256):
			return exact
		case e.Filename == f.Name:
			result = otherBytes
		case result == missing && alpm.Vercmp(e.Version, f.Version) > 0:
			result = newer
		}
	}
	return result
}

// debugSuffix is that of the repositories into which db-update puts debugging symbols.
const debugSuffix = "-debug"

// Look reads the base repositories again, and notes how much of a release they have.
func (h *Handover) Look(ctx context.Context, id int64) (store.ReleaseRow, error) {
	r, err := h.Store.Release(ctx, id)
	if err != nil || r.State == buildbtw.ReleaseReleased {
		return r, err
	}
	if r.State != buildbtw.ReleaseWaiting {
		return r, buildbtw.Conflict("release %d is %s; it does not wait for a repository", id, r.State.Words())
	}
	unlock, err := h.lock(ctx, r.Target)
	if err != nil {
		return r, err
	}
	defer unlock()
	h.refresh(ctx)
	if _, err := h.observe(ctx, id); err != nil {
		return r, err
	}
	return h.Store.Release(ctx, id)
}

// giveUp ends a release that waits. That db-update may have taken some of it is asked first.
func (h *Handover) giveUp(ctx context.Context, actor string, r store.ReleaseRow, confirmed bool) error {
	h.refresh(ctx)
	p, err := h.observe(ctx, r.ID)
	if err != nil {
		return err
	}
	if p.Files > 0 && p.There == p.Files {
		return buildbtw.Conflict("release %d is released: its packages are in the repositories by now", r.ID)
	}
	if p.There > 0 && !confirmed {
		return buildbtw.Unconfirmed("%d of %d packages of release %d are in the repositories and stay there when it is given up; confirm it if that is wanted", p.There, p.Files, r.ID)
	}
	message := "Given up before it was handed over."
	if p.There > 0 {
		message = fmt.Sprintf("Given up when %d of %d packages were in the repositories.", p.There, p.Files)
	}
	return h.Store.EndRelease(ctx, actor, r.ID, buildbtw.ReleaseWithdrawn, message)
}

// Bundle is what a packager needs to hand a release over.
type Bundle struct {
	Release store.ReleaseRow
	Host    string // on which db-update runs, as ssh takes it
	Files   []BundleFile
	Units   []BundleUnit
	Keys    []byte // of which one has to sign each file and tag, as gpg exports them
}

// BundleFile is a package file, and the signature that goes beside it.
type BundleFile struct {
	buildbtw.ReleaseFile
	Signature []byte
}

// BundleUnit is a pkgbase whose version db-update looks up in its packaging repository.
type BundleUnit struct {
	Pkgbase, Version, Source, Commit string

	Build    int64
	Tagged   bool   // the mirror has the tag of the version at the commit, signed by one of the keys
	TagFault string // why the tag that stands there is refused; empty when there is none
}

// Bundle returns what a packager needs to hand over a release that waits. The set is computed
// once more, on the repositories as they are now; when it is another one, the release has to be
// confirmed again. The errors are Conflicts that say what to do.
func (h *Handover) Bundle(ctx context.Context, id int64) (Bundle, error) {
	r, err := h.Store.Release(ctx, id)
	if err != nil {
		return Bundle{}, err
	}
	unlock, err := h.lock(ctx, r.Target)
	if err != nil {
		return Bundle{}, err
	}
	defer unlock()
	b := Bundle{}
	if b.Release, err = h.Store.Release(ctx, id); err != nil {
		return b, err
	}
	if b.Release.State != buildbtw.ReleaseWaiting {
		return b, notFetched(b.Release)
	}
	h.refresh(ctx)
	p, err := h.observe(ctx, id)
	switch {
	case err != nil:
		return b, err
	case p.Foreign != "":
		return b, buildbtw.Conflict("release %d cannot be handed over. %s Give it up", id, p.Foreign)
	case p.There > 0:
		return b, buildbtw.Conflict("%d of %d packages of release %d are in the repositories already; db-update runs, or has left the others in staging: %s", p.There, p.Files, id, p.Missing.Summary())
	}
	set, err := h.compute(ctx, r.FromTarget, r.Buildspace, r.Iteration, r.Target)
	if err != nil {
		return b, err
	}
	if set.Digest != b.Release.Digest {
		if err := h.recheck(ctx, b.Release, set, buildbtw.Generation{}, false); err != nil {
			return b, err
		}
		if b.Release, err = h.Store.Release(ctx, id); err != nil {
			return b, err
		}
		return b, buildbtw.Conflict("release %d: %s Look at it, and confirm it again", id, b.Release.Message)
	}
	return b, h.fillBundle(ctx, &b, set)
}

// notFetched says why there is nothing to hand over.
func notFetched(r store.ReleaseRow) error {
	next := ""
	switch r.State {
	case buildbtw.ReleaseSigning:
		next = fmt.Sprintf("; sign it first: bbtw release sign %d", r.ID)
	case buildbtw.ReleaseChecked:
		next = "; confirm it first, on its page"
	case buildbtw.ReleaseHandingOver:
		next = "; try again in a moment"
	}
	return buildbtw.Conflict("release %d cannot be handed over: %s%s", r.ID, r.State.Words(), next)
}

func (h *Handover) fillBundle(ctx context.Context, b *Bundle, set catalog.Release) error {
	b.Host = set.Target.Pkgctl.Host
	staged, err := h.Store.ReleaseFiles(ctx, b.Release.ID)
	if err != nil {
		return err
	}
	signatures, err := h.validSignatures(ctx, b.Release, added(set))
	if err != nil {
		return err
	}
	var unsigned buildbtw.Names
	for _, f := range staged {
		if signatures[f.SHA256] == nil {
			unsigned = append(unsigned, f.Name)
		}
		b.Files = append(b.Files, BundleFile{f, signatures[f.SHA256]})
	}
	if len(unsigned) > 0 {
		return buildbtw.Conflict("no accepted key has signed %s (any more); give release %d up, release again and sign that", unsigned.Summary(), b.Release.ID)
	}
	tags, err := h.Catalog.Tags(ctx, set)
	if err != nil {
		return err
	}
	keys, err := h.acceptedKeys(b.Release.Target)
	if err != nil {
		return err
	}
	if keys == nil {
		return buildbtw.Conflict("target %s has no keys by now, and db-update takes signed packages and tags only; give it ,sign=required,keys=FILE", b.Release.Target)
	}
	if b.Keys, err = keys.Export(); err != nil {
		return err
	}
	for _, pkgbase := range set.Goes {
		row := set.BuildOf(pkgbase, "")
		u := BundleUnit{Pkgbase: pkgbase, Version: set.Versions[pkgbase], Source: row.Source, Commit: row.Commit, Build: row.ID}
		if text, there := tags[pkgbase]; there {
			_, err := keys.VerifyTag(text, h.Now())
			u.Tagged = err == nil
			if err != nil {
				u.TagFault = buildbtw.MessageOf(err)
			}
		}
		b.Units = append(b.Units, u)
	}
	return nil
}

// validSignatures returns the signatures of files by keys that are valid now, by SHA-256.
func (h *Handover) validSignatures(ctx context.Context, r store.ReleaseRow, add []pacmanrepo.Adopted) (map[string][]byte, error) {
	keys, err := h.acceptedKeys(r.Target)
	if err != nil || keys == nil {
		return nil, err
	}
	have, err := h.Store.Signatures(ctx, digests(add), keys.Valid(h.Now()))
	if err != nil {
		return nil, err
	}
	signed := make(map[string][]byte, len(have))
	for sha256, s := range have {
		signed[sha256] = s.Packet
	}
	return signed, nil
}

// digests returns the SHA-256 of files.
func digests(add []pacmanrepo.Adopted) []string {
	var files []string
	for _, a := range add {
		for _, f := range a.Files {
			files = append(files, f.SHA256)
		}
	}
	return files
}

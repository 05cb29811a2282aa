package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/pacman/alpm"
)

// Result is a built build whose packages serve every build with the same input.
type Result struct {
	BuildID      int64  `bun:"id"`
	InputKey     string `bun:"input_key"`
	OutputDigest string `bun:"output_digest"`
	Architecture string `bun:"architecture"` // whose repository has the packages
	Buildspace   string `bun:"buildspace"`
	Iteration    int    `bun:"iteration"`
	IterationID  int64  `bun:"iteration_id"`

	Files []buildbtw.Package `bun:"-"` // by file name
}

// Link says that a result's packages are to be in further repositories: those
// of one iteration for these architectures.
type Link struct {
	From          Result
	Architectures []string
}

// FindReuse lays out a plan and finds those of its builds whose input is known
// and has been built before, going up from those that wait for nothing. It also
// returns what has to be linked into the iteration's repositories before
// CreateIteration writes the rows.
func (q *Reader) FindReuse(ctx context.Context, plan *buildgraph.Plan, base PlanBase) (*PlanRows, []Link, error) {
	rows, err := layOut(plan, base)
	if err != nil {
		return nil, nil, fmt.Errorf("find what can be reused: %w", err)
	}
	var links []Link
	err = q.Snapshot(ctx, func(q *Reader) error {
		results := map[string]Result{}
		err := rows.reuseResults(func(keys []string) (map[string]Result, error) {
			found, err := newestResults(ctx, q, keys)
			maps.Copy(results, found)
			return found, err
		})
		if err != nil {
			return err
		}
		links = rows.links(results)
		if rows.warnings, err = warnAgain(ctx, q, rows.builds, rows.sources); err != nil {
			return err
		}
		return addFiles(ctx, q, links)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("find what can be reused: %w", err)
	}
	return rows, links, nil
}

// warnAgain says of builds whose commit was built before, and whose dependencies
// in the set are all reused, why they are built again: with other packages of the
// base, as far as is known. The commits are the sources', also of bumps.
func warnAgain(ctx context.Context, q *Reader, builds []buildbtw.Build, sources map[string]string) ([]buildgraph.Warning, error) {
	type commit struct { // in the order of the statement's columns
		Pkgbase      string `bun:"pkgbase"`
		Architecture string `bun:"architecture"`
		Commit       string `bun:"commit_id"`
		Stage        int    `bun:"stage"`
	}
	now := map[commit]string{}
	var asked [][4]any
	for _, b := range builds {
		if b.InputKey != "" && b.Status != buildbtw.StatusBuilt && b.BaseInputs != "" {
			source := cmp.Or(sources[b.Commit], b.Commit)
			now[commit{b.Pkgbase, b.Architecture, source, b.Stage}] = b.BaseInputs
			asked = append(asked, [4]any{b.Pkgbase, b.Architecture, source, b.Stage})
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	list, err := json.Marshal(asked)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		commit
		BaseInputs string `bun:"base_inputs"`
	}
	if err := q.list(ctx, &rows, "results_of_commits", args{"commits": string(list)}); err != nil {
		return nil, err
	}
	var unknown, changed []string
	for _, r := range rows {
		switch {
		case r.BaseInputs == "":
			unknown = append(unknown, r.Pkgbase)
		case r.BaseInputs != now[r.commit]:
			changed = append(changed, r.Pkgbase)
		}
	}
	var warnings []buildgraph.Warning
	if n := len(unknown); n > 0 {
		warnings = append(warnings, buildgraph.Warning{Kind: buildgraph.WarnBase, Message: fmt.Sprintf(
			"%s built again although the commit was built before: the packages from then do not say which base packages they were made with, as buildbtw did not keep that, or had no base repositories", are(unknown))})
	}
	if n := len(changed); n > 0 {
		warnings = append(warnings, buildgraph.Warning{Kind: buildgraph.WarnBase, Message: fmt.Sprintf(
			"%s built again although the commit was built before: the interfaces of the base packages that the build uses have changed since", are(changed))})
	}
	return warnings, nil
}

// are returns the beginning of a sentence about some builds.
func are(names buildbtw.Names) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return names.Summary() + " are"
}

// newestResults finds for each key the result that was made, or taken over,
// last: its files are kept longest.
func newestResults(ctx context.Context, q *Reader, keys []string) (map[string]Result, error) {
	var rows []Result
	err := q.list(ctx, &rows, "newest_results", args{"keys": textList(keys)})
	found := make(map[string]Result, len(rows))
	for _, r := range rows {
		found[r.InputKey] = r
	}
	return found, err
}

// addFiles reads the packages of all results at once.
func addFiles(ctx context.Context, q *Reader, links []Link) error {
	ids := make([]int64, len(links))
	for i, l := range links {
		ids[i] = l.From.BuildID
	}
	files, err := publishedFiles(ctx, q, ids)
	for i := range links {
		links[i].From.Files = files[links[i].From.BuildID]
	}
	return err
}

// publishedFiles gives what builds have in their repositories, by build.
func publishedFiles(ctx context.Context, q *Reader, builds []int64) (map[int64][]buildbtw.Package, error) {
	var files []buildbtw.Package
	err := q.list(ctx, &files, "published_of_builds", args{"builds": idList(builds)})
	by := make(map[int64][]buildbtw.Package, len(builds))
	for _, f := range files {
		by[f.BuildID] = append(by[f.BuildID], f)
	}
	return by, err
}

// ForgetResults takes from builds whose files are gone that they are results
// for others.
func (s *Store) ForgetResults(ctx context.Context, builds []int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error { return t.forgetResults(ctx, builds) })
	if err != nil {
		return fmt.Errorf("forget %d results: %w", len(builds), err)
	}
	return nil
}

// forgetResults also lets those go on that wait for the results.
func (t *tx) forgetResults(ctx context.Context, builds []int64) error {
	which := args{"builds": idList(builds)}
	var keys []string
	if err := t.list(ctx, &keys, "keys_of_builds", which); err != nil {
		return err
	}
	which["keys"] = textList(keys)
	if _, err := t.exec(ctx, "forget_attempts", which); err != nil {
		return err
	}
	if _, err := t.exec(ctx, "forget_builds", which); err != nil {
		return err
	}
	var waiting []int64
	if err := t.list(ctx, &waiting, "builds_of_keys", which); err != nil {
		return err
	}
	return t.hold(ctx, waiting)
}

// Linking is a build that takes over the packages of another one.
type Linking struct {
	Build BuildRow
	Link
}

// BeginReuse gives builds whose input has been built before, with what is to be
// linked for them: at most so many, and first those for which it was begun
// before. From here on they can be neither handed out nor stopped, until
// CompleteReuse or AbandonReuse.
func (s *Store) BeginReuse(ctx context.Context, limit int) ([]Linking, error) {
	var any bool
	err := s.get(ctx, &any, "any_to_link", nil)
	if err != nil || !any {
		return nil, err // most often: nobody who writes has to wait
	}
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "begin_linking", args{"limit": limit})
		return err
	})
	var list []Linking
	if err == nil {
		err = s.Snapshot(ctx, func(q *Reader) error {
			list, err = loadLinking(ctx, q, limit)
			return err
		})
	}
	if err != nil {
		return list, fmt.Errorf("begin to reuse: %w", err)
	}
	return list, nil
}

func loadLinking(ctx context.Context, q *Reader, limit int) ([]Linking, error) {
	rows, unreadable := readable[BuildRow](ctx, q.queries, "held_builds", args{"hold": buildbtw.HoldLinking, "limit": limit})
	ids, sources := make([]int64, len(rows)), make([]int64, len(rows))
	for i, r := range rows {
		ids[i], sources[i] = r.ID, r.ReusedFrom
	}
	results, err := resultsByID(ctx, q, sources)
	if err != nil {
		return nil, err
	}
	twins, err := twinArchitectures(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	list := make([]Linking, len(rows))
	for i, r := range rows {
		list[i] = Linking{r, Link{From: results[r.ReusedFrom], Architectures: append([]string{r.Architecture}, twins[r.ID]...)}}
	}
	return list, unreadable
}

func resultsByID(ctx context.Context, q *Reader, ids []int64) (map[int64]Result, error) {
	var rows []Result
	err := q.list(ctx, &rows, "results", args{"builds": idList(ids)})
	if err != nil {
		return nil, err
	}
	files, err := publishedFiles(ctx, q, ids)
	by := make(map[int64]Result, len(rows))
	for _, r := range rows {
		r.Files = files[r.BuildID]
		by[r.BuildID] = r
	}
	return by, err
}

// twinArchitectures gives the architectures for which builds do the work of
// others.
func twinArchitectures(ctx context.Context, q *Reader, builds []int64) (map[int64][]string, error) {
	var rows []struct {
		TwinOf       int64  `bun:"twin_of"`
		Architecture string `bun:"architecture"`
	}
	err := q.list(ctx, &rows, "twin_architectures", args{"builds": idList(builds)})
	by := map[int64][]string{}
	for _, r := range rows {
		by[r.TwinOf] = append(by[r.TwinOf], r.Architecture)
	}
	return by, err
}

// CompleteReuse says that the packages of these builds are in their
// repositories: they are built, and what waited only for them is pending. It
// skips those for which it was said before.
func (s *Store) CompleteReuse(ctx context.Context, builds []int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		list, err := t.linking(ctx, builds)
		if err != nil || len(list) == 0 {
			return err
		}
		var done []int64
		for words, ids := range list {
			moved, err := t.move(ctx, ids, change{
				to: buildbtw.StatusBuilt, cause: buildbtw.CauseReused, actor: buildbtw.System, message: words,
				set: []string{
					"finished_at = :now", "retries = 0", "not_before = NULL",
					"output_digest = (SELECT r.output_digest FROM builds AS r WHERE r.id = build.reused_from)",
				},
			})
			if err != nil {
				return err
			}
			done = append(done, moved...)
		}
		t.seen.saved(buildbtw.CauseReused, len(done))
		if err := t.takePackages(ctx, done); err != nil {
			return err
		}
		return t.unblock(ctx, done...)
	})
	if err != nil {
		return fmt.Errorf("complete the reuse of %d builds: %w", len(builds), err)
	}
	return nil
}

// linking gives those of the builds that are being linked, by the words that
// say where their packages come from.
func (t *tx) linking(ctx context.Context, builds []int64) (map[string][]int64, error) {
	var rows []struct {
		ID    int64  `bun:"id"`
		Words string `bun:"words"`
	}
	err := t.list(ctx, &rows, "linking_builds", args{"builds": idList(builds)})
	by := map[string][]int64{}
	for _, r := range rows {
		by[r.Words] = append(by[r.Words], r.ID)
	}
	return by, err
}

// takePackages gives the builds that reuse others the packages of those.
func (t *tx) takePackages(ctx context.Context, builds []int64) error {
	if _, err := t.exec(ctx, "take_packages", args{"builds": idList(builds)}); err != nil {
		return fmt.Errorf("take over packages: %w", err)
	}
	return nil
}

// AbandonReuse puts builds back whose packages could not be linked, and forgets
// the results that they were to have: their files are gone. Another result of
// the same input may do; else they are built.
func (s *Store) AbandonReuse(ctx context.Context, builds []int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		var rows []struct {
			ID         int64                   `bun:"id"`
			ReusedFrom int64                   `bun:"reused_from"`
			State      buildbtw.IterationState `bun:"state"` // of its iteration
		}
		err := t.list(ctx, &rows, "abandoned_links", args{"builds": idList(builds)})
		if err != nil || len(rows) == 0 {
			return err
		}
		var ids, sources, superseded, stopped []int64
		for _, r := range rows {
			ids, sources = append(ids, r.ID), append(sources, r.ReusedFrom)
			switch r.State {
			case buildbtw.IterationSuperseded:
				superseded = append(superseded, r.ID)
			case buildbtw.IterationStopped:
				stopped = append(stopped, r.ID)
			}
		}
		if _, err := t.exec(ctx, "end_linking", args{"builds": idList(ids)}); err != nil {
			return err
		}
		// They were kept from ending with their iteration by the linking alone.
		gone := change{cause: buildbtw.CauseSuperseded, actor: buildbtw.System, message: "The packages that it was to reuse are gone."}
		if _, err := t.skip(ctx, superseded, gone); err != nil {
			return err
		}
		gone.cause = buildbtw.CauseStopped
		if _, err := t.skip(ctx, stopped, gone); err != nil {
			return err
		}
		if err := t.setInputKeys(ctx, ids); err != nil {
			return err
		}
		if err := t.forgetResults(ctx, slices.Compact(slices.Sorted(slices.Values(sources)))); err != nil {
			return err
		}
		return t.hold(ctx, ids)
	})
	if err != nil {
		return fmt.Errorf("abandon the reuse of %d builds: %w", len(builds), err)
	}
	return nil
}

// BaseDigests are what a build takes from the base repositories, as digests; both
// are empty when nothing is known of the base.
type BaseDigests struct {
	Inputs  string // of the interfaces of the base's packages that it is built with, dependencies of dependencies too
	Package string // of those of its own packages in the base and all that they depend on: for builds that use these
}

// PlanBase has the digests of the builds of a plan, by architecture and the build's
// key in the plan.
type PlanBase map[string]map[string]BaseDigests

// input is a dependency of a build as it goes into the build's input key.
type input struct {
	pkgbase   string
	stage     int
	output    string // its output digest; empty when it is not known
	runtime   string // what is installed with it: see runtimeInputs
	base      string // it was skipped as unchanged: the base's package is used, whose digest this is
	installed bool   // the build needs it when it runs, so that it is installed wherever the build's packages are
}

// line is the input in the text of an input key. It has nothing that is not known,
// so that the keys of builds without a base, and without dependencies of
// dependencies in the set, are those of earlier versions of buildbtw.
func (d input) line() string {
	switch {
	case d.base != "":
		return fmt.Sprintf("%s %d base %s\n", d.pkgbase, d.stage, d.base)
	case d.runtime != "":
		return fmt.Sprintf("%s %d %s %s\n", d.pkgbase, d.stage, d.output, d.runtime)
	}
	return fmt.Sprintf("%s %d %s\n", d.pkgbase, d.stage, d.output)
}

// inputKey digests what a build is made from (docs/domain.md, "Iterations"). The
// dependencies are sorted by pkgbase, then stage. The key is empty, and equals
// nothing, when the output of a dependency is not known: it was built before
// output digests were kept.
func inputKey(b *buildbtw.Build, deps []input) string {
	var text strings.Builder
	fmt.Fprintf(&text, "input 1\n%s %s %s %d %t\n", b.Pkgbase, b.Commit, b.Architecture, b.Stage, b.NoCheck)
	if len(b.NotOwned) > 0 { // other packages come of it
		fmt.Fprintf(&text, "not owned %s\n", b.NotOwned)
	}
	if b.BaseInputs != "" {
		fmt.Fprintf(&text, "base %s\n", b.BaseInputs)
	}
	for _, d := range deps {
		if d.output == "" && d.base == "" {
			return ""
		}
		text.WriteString(d.line())
	}
	sum := sha256.Sum256([]byte(text.String()))
	return hex.EncodeToString(sum[:])
}

// runtimeInputs digests the packages of the set that are installed wherever a
// build's packages are: its runtime dependencies, which have theirs in turn. Empty
// when there are none.
func runtimeInputs(deps []input) string {
	var text strings.Builder
	for _, d := range deps {
		if d.installed {
			text.WriteString(d.line())
		}
	}
	if text.Len() == 0 {
		return ""
	}
	return alpm.ShortDigest(text.String())
}

// outputDigest is what a build's packages are to those that are built with it.
func outputDigest(files []buildbtw.Package) string {
	sums := make(map[string]string, len(files))
	for _, f := range files {
		sums[f.Filename] = f.SHA256
	}
	return alpm.OutputDigest(sums)
}

// inputKeys computes the keys of builds that wait for nothing, as SQL takes them:
// json_each(?) gives arrays of the id, the key, and the digest of runtimeInputs. A
// twin's key is empty: the build that does its work has it.
func (t *tx) inputKeys(ctx context.Context, ids []int64) (string, error) {
	deps, err := t.dependencyOutputs(ctx, ids)
	if err != nil {
		return "", err
	}
	var builds []buildbtw.Build
	err = t.list(ctx, &builds, "inputs", args{"builds": idList(ids)})
	if err != nil {
		return "", fmt.Errorf("read the inputs of %d builds: %w", len(ids), err)
	}
	keys := make([][3]any, len(builds))
	for i := range builds {
		b := &builds[i]
		keys[i] = [3]any{b.ID, "", runtimeInputs(deps[b.ID])}
		if b.TwinOf == 0 {
			keys[i][1] = inputKey(b, deps[b.ID])
		}
	}
	list, err := json.Marshal(keys)
	return string(list), err
}

// setInputKeys writes the keys of builds that wait for nothing.
func (t *tx) setInputKeys(ctx context.Context, ids []int64) error {
	keys, err := t.inputKeys(ctx, ids)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "set_input_keys", args{"keys": keys})
	if err != nil {
		return fmt.Errorf("write the input keys of %d builds: %w", len(ids), err)
	}
	return nil
}

// dependencyOutputs gives for each build what it is made from.
func (t *tx) dependencyOutputs(ctx context.Context, ids []int64) (map[int64][]input, error) {
	var rows []struct {
		To        int64           `bun:"to_build"`
		Pkgbase   string          `bun:"pkgbase"`
		Stage     int             `bun:"stage"`
		Status    buildbtw.Status `bun:"status"`
		Output    string          `bun:"output_digest"`
		Runtime   string          `bun:"runtime_inputs"`
		Base      string          `bun:"base_package"`
		Installed bool            `bun:"installed"`
	}
	err := t.list(ctx, &rows, "dependency_outputs", args{"builds": idList(ids), "depends": buildbtw.EdgeDepends})
	if err != nil {
		return nil, fmt.Errorf("read the dependencies of %d builds: %w", len(ids), err)
	}
	deps := make(map[int64][]input, len(ids))
	for _, r := range rows {
		d := input{pkgbase: r.Pkgbase, stage: r.Stage, base: r.Base, installed: r.Installed}
		if r.Status == buildbtw.StatusBuilt {
			d.output, d.runtime, d.base = r.Output, r.Runtime, ""
		}
		deps[r.To] = append(deps[r.To], d)
	}
	return deps, nil
}

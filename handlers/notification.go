package handlers

import (
	"cmp"
	"context"
	"strings"

	"buildbtw"
	"buildbtw/notify"
	"buildbtw/views"
)

// Standing returns how a buildspace stands, in the words of its page, for messages.
func (a *App) Standing(ctx context.Context, name string) (notify.Standing, error) {
	row, v, err := a.halted(ctx, name)
	if err != nil {
		return notify.Standing{}, err
	}
	s := notify.Standing{Iteration: v.Number, Summary: views.CountWords(v.Counts), URL: a.Settings.ServerURL + views.BuildspaceURL(name)}
	if halt := v.Halt(); !halt.Going && (v.Stopped || v.Status == buildbtw.IterationStatusInvalid || v.Counts[buildbtw.StatusBlocked] > 0) {
		s.Summary += " " + halt.Words
	}
	if row.Latest == nil || v.Status != buildbtw.IterationStatusBuilding && v.Status != buildbtw.IterationStatusFailed {
		return s, nil
	}
	var first []int64
	blocks := 0
	if len(v.Blockers) > 0 {
		first, blocks = []int64{v.Blockers[0].Build.ID}, v.Blockers[0].Blocks
	}
	failed, err := a.Store.FailedBuilds(ctx, []int64{row.Latest.ID}, first, 1)
	if err != nil || len(failed) == 0 {
		return s, err
	}
	f := failed[0]
	words := linkOf(f.BuildRow).Name() + " " + string(f.Status) + " (" + f.Architecture + ")"
	if why := printable(cmp.Or(f.FirstError.Text, f.Message)); why != "" {
		words += ": " + strings.TrimSuffix(why, ".")
	}
	words += "."
	if blocks > 0 {
		words += " It blocks " + views.Plural(blocks, "build") + "."
	}
	s.Cause = &notify.Description{Words: words, URL: a.Settings.ServerURL + views.BuildURL(f.ID)}
	return s, nil
}

// printable returns the beginning of a line of a log without what terminals obey.
func printable(line string) string {
	const most = 300
	list := []rune(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, line))
	if len(list) > most {
		list = append(list[:most], '…')
	}
	return strings.TrimSpace(string(list))
}

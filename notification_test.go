package buildbtw_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"buildbtw"
)

func TestTurnsOfAnIteration(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	type step struct {
		after   time.Duration // since start
		status  buildbtw.IterationStatus
		failed  int
		givenUp bool
		want    []buildbtw.TurnKind
	}
	const building, failed, built = buildbtw.IterationStatusBuilding, buildbtw.IterationStatusFailed, buildbtw.IterationStatusBuilt
	for name, steps := range map[string][]step{
		"all goes well": {{0, building, 0, false, nil}, {time.Minute, built, 0, false, []buildbtw.TurnKind{"done"}}, {time.Hour, built, 0, false, nil}},
		"more than one failure": {
			{0, building, 1, false, []buildbtw.TurnKind{"failed"}},
			{time.Minute, building, 2, false, nil},
			{time.Hour, failed, 3, false, nil},
			{4 * time.Hour, failed, 3, false, nil},
			{5 * time.Hour, failed, 3, false, []buildbtw.TurnKind{"blocked"}},
			{9 * time.Hour, failed, 3, false, nil},
		},
		"it stops a second time": {
			{0, failed, 1, false, []buildbtw.TurnKind{"failed"}},
			{4 * time.Hour, failed, 1, false, []buildbtw.TurnKind{"blocked"}},
			{5 * time.Hour, building, 0, false, nil},
			{6 * time.Hour, failed, 1, false, nil},
			{10 * time.Hour, failed, 1, false, []buildbtw.TurnKind{"blocked"}},
		},
		"it is built again by force":    {{0, built, 0, false, []buildbtw.TurnKind{"done"}}, {1, building, 0, false, nil}, {2, built, 0, false, []buildbtw.TurnKind{"done"}}},
		"the rest was cancelled":        {{0, building, 0, false, nil}, {1, built, 0, true, nil}},
		"a newer iteration took over":   {{0, building, 0, false, nil}, {1, buildbtw.IterationStatusSuperseded, 1, true, nil}, {9 * time.Hour, buildbtw.IterationStatusSuperseded, 1, true, nil}},
		"it fails at once and for good": {{5 * time.Hour, failed, 1, false, []buildbtw.TurnKind{"failed"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var state buildbtw.TurnState
			for i, s := range steps {
				now := start.Add(s.after)
				standing := buildbtw.Standing{EventID: int64(i + 1), At: now, Status: s.status, Failed: s.failed, GivenUp: s.givenUp}
				next, turns := state.Next(standing, now, 4*time.Hour)
				var kinds []buildbtw.TurnKind
				for _, turn := range turns {
					kinds = append(kinds, turn.Kind)
				}
				if !slices.Equal(kinds, s.want) {
					t.Errorf("step %d: %v, want %v", i, kinds, s.want)
				}
				if _, again := next.Next(standing, now, 4*time.Hour); len(again) > 0 {
					t.Errorf("step %d: the same event makes another turn: %v", i, again)
				}
				state = next
			}
		})
	}
}

// However the events of an iteration are looked at, in what portions and how often, there is
// at most one first failure, no turn comes twice, and there are no more than if every event
// were looked at by itself.
func TestTurnsDoNotDependOnBatches(t *testing.T) {
	t.Parallel()
	statuses := []buildbtw.IterationStatus{"building", "failed", "built", "stopped", "superseded"}
	rapid.Check(t, func(t *rapid.T) {
		start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		standings := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) buildbtw.Standing {
			return buildbtw.Standing{
				Status: rapid.SampledFrom(statuses).Draw(t, "status"), Failed: rapid.IntRange(0, 2).Draw(t, "failed"), GivenUp: rapid.Bool().Draw(t, "given up"),
			}
		}), 1, 30).Draw(t, "standings")
		for i := range standings {
			standings[i].EventID, standings[i].At = int64(i+1), start.Add(time.Duration(i)*time.Hour)
		}
		look := func(at []int) map[buildbtw.TurnKind]int {
			var state buildbtw.TurnState
			counts, known := map[buildbtw.TurnKind]int{}, map[buildbtw.Turn]bool{}
			for _, i := range at {
				var turns []buildbtw.Turn
				state, turns = state.Next(standings[i], standings[i].At, 2*time.Hour)
				for _, turn := range turns {
					key := buildbtw.Turn{Kind: turn.Kind, Number: turn.Number}
					if known[key] {
						t.Fatalf("the turn %+v came twice", key)
					}
					known[key] = true
					counts[turn.Kind]++
				}
			}
			return counts
		}
		var each, some []int
		for i := range standings {
			each = append(each, i)
			if i == len(standings)-1 || rapid.Bool().Draw(t, "look") {
				some = append(some, i)
				if rapid.Bool().Draw(t, "again") { // an event that was looked at before
					some = append(some, rapid.IntRange(0, i).Draw(t, "which"))
				}
			}
		}
		all, batched := look(each), look(some)
		if batched[buildbtw.TurnFailed] > 1 || batched[buildbtw.TurnFailed] > all[buildbtw.TurnFailed] || batched[buildbtw.TurnDone] > all[buildbtw.TurnDone] {
			t.Fatalf("in batches %v, one by one %v", batched, all)
		}
	})
}

func TestAddressesAreShownWithoutSecrets(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://hooks.example.org/services/T0/secret": "https://hooks.example.org/…",
		"https://hooks.example.org?token=secret":       "https://hooks.example.org/…",
		"https://user:secret@hooks.example.org/":       "https://hooks.example.org/",
		"http://hooks.example.org":                     "http://hooks.example.org",
	} {
		if got := buildbtw.ShownAddress(buildbtw.ChannelWebhook, address); got != want {
			t.Errorf("%s is shown as %s, want %s", address, got, want)
		}
	}
}

func TestPausesBetweenTriesGrowToABound(t *testing.T) {
	t.Parallel()
	var total time.Duration
	for tries := 1; tries < buildbtw.DeliveryTries; tries++ {
		if tries > 1 && buildbtw.DeliveryPause(tries) < buildbtw.DeliveryPause(tries-1) {
			t.Errorf("the pause after %d tries is shorter than the one before", tries)
		}
		total += buildbtw.DeliveryPause(tries)
	}
	if total < 20*time.Hour || total > 22*time.Hour || buildbtw.DeliveryPause(1000) != 6*time.Hour {
		t.Errorf("all pauses take %s", total)
	}
}

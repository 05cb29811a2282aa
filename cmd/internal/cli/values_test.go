package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestFlagsRefuseWhatTheyCannotMean(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ flag, value, says string }{
		{"jobs", "0", "0 is too small: at least 1"},
		{"jobs", "-3", "at least 1"},
		{"jobs", "11", "11 is too large: at most 10"},
		{"jobs", "1e1", `"1e1" is no number`},
		{"jobs", "99999999999999999999", "is no number"},
		{"wait", "-1s", "-1s is too small: at least 0s"},
		{"wait", "5", `"5" is no duration; write it like 90s, 15m or 2h`},
		{"share", "1.5", "at most 1"},
		{"share", "NaN", "is no number"},
		{"scope", "everything", `"everything" is none of none, direct or all`},
		{"status", "built,wrong", `"wrong" is none of built or failed`},
		{"cap", "big=-1", "is not NAME=N"},
		{"jobs", "10", ""},
		{"wait", "0s", ""},
		{"share", "0.25", ""},
		{"scope", "all", ""},
		{"status", "failed,built", ""},
		{"cap", "big=1,small=2", ""},
	} {
		var jobs int
		var wait time.Duration
		var share float64
		var scope, status string
		var caps map[string]int
		flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
		Number(flags, &jobs, "jobs", 1, 1, 10, "")
		Time(flags, &wait, "wait", time.Second, 0, time.Hour, "")
		Share(flags, &share, "share", 0, "")
		Word(flags, &scope, "scope", "none", "", "none", "direct", "all")
		Words(flags, &status, "status", "", "built", "failed")
		Numbers(flags, &caps, "cap", "")
		err := flags.Parse([]string{"--" + test.flag + "=" + test.value})
		if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("--%s=%s: %v, want %q", test.flag, test.value, err, test.says)
		}
	}
}

// CheckFlags finds a flag that takes anything.
func TestFlagsWithoutBoundsAreFound(t *testing.T) {
	t.Parallel()
	root, sub := &cobra.Command{Use: "bbtw"}, &cobra.Command{Use: "log"}
	root.AddCommand(sub)
	sub.Flags().Int("tail", 0, "")
	sub.Flags().Duration("timeout", 0, "")
	failures := CheckFlags(root)
	if len(failures) != 2 || !strings.Contains(failures[0].Error(), "bbtw log --tail (int) has no bounds") {
		t.Errorf("found %v", failures)
	}
}

package main

import (
	"fmt"
	"strings"
	"time"

	"buildbtw/api"
)

// maxChain bounds how many builds of the longest chain are named in one line.
const maxChain = 8

// noWorker says that builds could go on, and nobody is there for them.
const noWorker = "No worker is there to go on. See 'bbtw workers'; start one with 'buildbtw-worker run'."

// printForecast prints when an iteration will be done.
func (a *app) printForecast(f api.Forecast) {
	if f.Seconds == nil {
		if f.Remaining > 0 {
			fmt.Fprintln(a.out, noWorker)
		}
		return
	}
	fmt.Fprintf(a.out, "about %s left (%s to %s), %s at a time\n",
		inWords(f.Seconds.Likely), inWords(f.Seconds.Early), inWords(f.Seconds.Late), plural(f.Workers, "build"))
	if len(f.Chain) < 2 {
		return
	}
	names := make([]string, 0, maxChain+1)
	for i, step := range f.Chain {
		if i == maxChain {
			names = append(names, fmt.Sprintf("%d more", len(f.Chain)-maxChain))
			break
		}
		names = append(names, step.Build.Pkgbase)
	}
	fmt.Fprintf(a.out, "longest chain, %s: %s\n", inWords(f.ChainSeconds), strings.Join(names, " → "))
}

// inWords returns a time as exactly as it matters.
func inWords(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < 2*time.Minute {
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

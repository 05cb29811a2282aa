package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
	"buildbtw/pacman/alpm"
)

func (a *app) sourcesCommand() *cobra.Command {
	var broken bool
	type row = api.Source
	l := listing[row]{name: func(s row) string { return s.Slug }, columns: []column[row]{
		{name: "SOURCE", text: func(s row) string { return s.Slug }},
		{name: "VERSION", text: func(s row) string { return s.Version }, by: func(a, b row) int { return alpm.Vercmp(a.Version, b.Version) }},
		{name: "COMMIT", text: func(s row) string { return fmt.Sprintf("%.12s", s.Commit) }},
		{name: "TROUBLE", text: func(s row) string { return cmp.Or(s.Error, strings.Join(s.Notes, "; ")) }, status: func(row) string { return "broken" }},
		{name: "SUBJECT", wide: true, text: func(s row) string { return sourceCommit(s).Subject }},
		{name: "AUTHOR", wide: true, text: func(s row) string { return sourceCommit(s).Author }},
		{name: "PKGBASE", wide: true, text: func(s row) string { return s.Pkgbase }},
		{name: "REF", wide: true, text: func(s row) string { return s.Ref }},
		{name: "READ", wide: true, text: func(s row) string { return age(s.Read, time.Now()) + " ago" }, by: func(a, b row) int { return a.Read.Compare(b.Read) }},
	}}
	cmd := &cobra.Command{
		Use:   "sources",
		Short: "List the sources, and what is wrong with them",
		Example: `  bbtw sources --broken
  bbtw sources look glibc
  bbtw sources | wc -l`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			all, err := c.Sources(cmd.Context())
			if err != nil {
				return err
			}
			list := all[:0]
			for _, s := range all {
				if !broken || s.Error != "" {
					list = append(list, s)
				}
			}
			return l.print(a, list)
		},
	}
	cmd.Flags().BoolVar(&broken, "broken", false, "only those that cannot be planned")
	l.register(cmd.Flags())
	cmd.AddCommand(&cobra.Command{
		Use:   "look [SLUG]",
		Short: "Look at a source, or at all, at once, also at those in a pause after failures",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			slug := strings.Join(args, "")
			if err := c.LookAt(cmd.Context(), slug); err != nil {
				return err
			}
			if !a.json {
				return nil
			}
			return a.printJSON(map[string]string{"source": slug, "status": "looking"})
		},
		ValidArgsFunction: a.complete(sourceNames),
	})
	return cmd
}

// sourceCommit is what is known of a source's commit.
func sourceCommit(s api.Source) api.Commit {
	if s.CommitInfo == nil {
		return api.Commit{}
	}
	return *s.CommitInfo
}

func (a *app) workersCommand() *cobra.Command {
	type row = api.Worker
	l := listing[row]{name: func(w row) string { return w.Name }, columns: []column[row]{
		{name: "WORKER", text: func(w row) string { return w.Name }},
		{name: "ARCH", text: func(w row) string { return strings.Join(w.Architectures, " ") }},
		{name: "RUNNERS", text: func(w row) string { return strings.Join(w.Runners, " ") }},
		{name: "SEEN", text: func(w row) string { return age(w.LastSeen, time.Now()) + " ago" }, by: func(a, b row) int { return b.LastSeen.Compare(a.LastSeen) }},
		{name: "BUILDS", text: func(w row) string { return strings.Join(namesOf(w.Running, buildName), " ") }},
		{name: "NOTE", text: workerNote, status: func(w row) string {
			if w.SetAside != "" {
				return "failed"
			}
			return "drained"
		}},
		{name: "BUSY", wide: true, text: func(w row) string { return fmt.Sprintf("%.0f%%", 100*w.Busy) }, by: func(a, b row) int { return cmp.Compare(a.Busy, b.Busy) }},
		{name: "LOAD", wide: true, text: func(w row) string {
			return ofMachine(w, func(m api.Machine) string { return fmt.Sprintf("%.1f of %d", m.Load, m.Cores) })
		}},
		{name: "MEMORY FREE", wide: true, text: func(w row) string {
			return ofMachine(w, func(m api.Machine) string { return free(m.MemoryFree, m.MemoryTotal) })
		}},
		{name: "DISK FREE", wide: true, text: func(w row) string {
			return ofMachine(w, func(m api.Machine) string { return free(m.DiskFree, m.DiskTotal) })
		}},
		{name: "LABELS", wide: true, text: func(w row) string { return strings.Join(w.Labels, " ") }},
		{name: "VERSION", wide: true, text: func(w row) string { return w.Version }},
		{name: "SINCE", wide: true, text: func(w row) string { return age(w.FirstSeen, time.Now()) + " ago" }, by: func(a, b row) int { return a.FirstSeen.Compare(b.FirstSeen) }},
	}}
	cmd := &cobra.Command{
		Use:   "workers",
		Short: "List the workers, and what each builds now",
		Example: `  bbtw workers
  bbtw workers -o wide --sort=-busy
  bbtw workers attempts build-3
  bbtw workers drain build-3
  bbtw workers resume build-3
  bbtw workers forget old-laptop`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			workers, err := c.Workers(cmd.Context())
			if err != nil {
				return err
			}
			return l.print(a, workers)
		},
	}
	l.register(cmd.Flags())
	cmd.AddCommand(a.workerAttemptsCommand(), a.drainWorkerCommand(), a.resumeWorkerCommand(), a.forgetWorkerCommand())
	return cmd
}

func (a *app) workerAttemptsCommand() *cobra.Command {
	limit := 0
	type row = api.WorkerAttempt
	l := listing[row]{columns: []column[row]{
		{name: "ENDED", text: func(t row) string { return endedAgo(t) }},
		{name: "BUILD", text: func(t row) string {
			return buildName(api.Build{Buildspace: t.Buildspace, Pkgbase: t.Pkgbase, OfBase: t.OfBase, Second: t.Second})
		}},
		{name: "ATTEMPT", text: func(t row) string { return strconv.Itoa(t.Number) }},
		{name: "OUTCOME", text: func(t row) string { return string(t.Outcome) }, status: func(t row) string { return string(t.Outcome) }},
		{name: "TOOK", text: func(t row) string { return inWords(attemptSeconds(t)) }, by: func(a, b row) int { return cmp.Compare(attemptSeconds(a), attemptSeconds(b)) }},
		{name: "ID", wide: true, text: func(t row) string { return t.BuildID }},
		{name: "SLOT", wide: true, text: func(t row) string { return strconv.Itoa(t.Slot + 1) }},
		{name: "RUNNER", wide: true, text: func(t row) string { return t.Runner }},
	}}
	cmd := &cobra.Command{
		Use:   "attempts NAME",
		Short: "List the attempts that ended on a worker, newest first",
		Example: `  bbtw workers attempts build-3
  bbtw workers attempts build-3 -n 500 --json | jq 'map(select(.outcome == "lost")) | length'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			attempts, err := c.WorkerAttempts(cmd.Context(), args[0], limit)
			if err != nil {
				return err
			}
			return l.print(a, attempts)
		},
		ValidArgsFunction: a.complete(workerNames),
	}
	cli.ShortNumber(cmd.Flags(), &limit, "number", "n", 50, 1, 500, "how many attempts")
	l.register(cmd.Flags())
	return cmd
}

func endedAgo(t api.WorkerAttempt) string {
	if t.FinishedAt == nil {
		return ""
	}
	return age(*t.FinishedAt, time.Now()) + " ago"
}

// attemptSeconds returns how long an attempt took.
func attemptSeconds(t api.WorkerAttempt) float64 {
	if t.FinishedAt == nil {
		return 0
	}
	return t.FinishedAt.Sub(t.StartedAt).Seconds()
}

// ofMachine describes the machine of a worker, if it has reported one.
func ofMachine(w api.Worker, words func(api.Machine) string) string {
	if w.Machine == nil {
		return ""
	}
	return words(*w.Machine)
}

// free returns how much of a size in bytes is free.
func free(bytes, of int64) string {
	return fmt.Sprintf("%.1f of %.1f GiB", float64(bytes)/(1<<30), float64(of)/(1<<30))
}

// workerNote returns why a worker gets no new builds.
func workerNote(w api.Worker) string { return cmp.Or(w.SetAside, w.NoBuilds) }

func (a *app) drainWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "drain NAME",
		Short: "Give a worker no new builds",
		Long: `Gives a worker no new builds, for example before it is updated. What it builds now
goes on to its end; the worker's log says that it is draining. 'bbtw workers resume'
gives it builds again.`,
		Example: `  bbtw workers drain build-3
  bbtw workers                   # BUILDS is empty when it is done`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			w, err := c.DrainWorker(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.tell(w, "%s gets no new builds until 'bbtw workers resume %s'. It builds %s now.\n", w.Name, w.Name,
				cmp.Or(strings.Join(namesOf(w.Running, buildName), ", "), "nothing"))
		},
		ValidArgsFunction: a.complete(workerNames),
	}
}

func (a *app) forgetWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "forget NAME",
		Short: "Remove a worker that is gone from the list",
		Long: `Removes a worker that has not asked for work for two minutes and has no build. The
history of what it built keeps its name. If it asks for work again, it is there
again as a new worker: neither draining nor quarantined. A token that was made for it
goes on; 'bbtw auth token revoke' ends it.`,
		Example: "  bbtw workers forget old-laptop",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			if err := c.ForgetWorker(cmd.Context(), args[0]); err != nil {
				return err
			}
			return a.tell(map[string]string{"name": args[0], "status": "forgotten"}, "%s is forgotten.\n", args[0])
		},
		ValidArgsFunction: a.complete(workerNames),
	}
}

func (a *app) resumeWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resume NAME",
		Short: "Give a draining or quarantined worker builds again",
		Long: `Ends 'bbtw workers drain', and the quarantine of a worker: it gets builds again. The
server quarantines a worker that lost or broke three builds in a row while another
one finished some.`,
		Example: "  bbtw workers resume build-3",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			w, err := c.ResumeWorker(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.tell(w, "%s gets builds again.\n", w.Name)
		},
		ValidArgsFunction: a.complete(workerNames),
	}
}

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) sourcesCommand() *cobra.Command {
	var broken bool
	cmd := &cobra.Command{
		Use:   "sources",
		Short: "List the sources, and what is wrong with them",
		Example: `  bbtw sources --broken
  bbtw sources | wc -l`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
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
			if a.json {
				return a.printJSON(list)
			}
			t := newTable("SOURCE", "VERSION", "COMMIT", "TROUBLE")
			for _, s := range list {
				t.add(s.Slug, s.Version, fmt.Sprintf("%.12s", s.Commit), s.Error)
			}
			return t.print(a.out)
		},
	}
	cmd.Flags().BoolVar(&broken, "broken", false, "only those that cannot be planned")
	return cmd
}

func (a *app) workersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "workers",
		Short: "List the workers, and what each builds now",
		Example: `  bbtw workers
  bbtw workers resume build-3`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			workers, err := c.Workers(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(workers)
			}
			t := newTable("WORKER", "ARCH", "RUNNERS", "SEEN", "BUILDS", "QUARANTINED")
			for _, w := range workers {
				does := make([]string, len(w.Running))
				for i, b := range w.Running {
					does[i] = b.Buildspace + "/" + b.Pkgbase
				}
				t.add(w.Name, strings.Join(w.Architectures, " "), strings.Join(w.Runners, " "), age(w.LastSeen, time.Now())+" ago", strings.Join(does, " "), w.SetAside)
			}
			return t.print(a.out)
		},
	}
	cmd.AddCommand(a.resumeWorkerCommand())
	return cmd
}

func (a *app) resumeWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resume NAME",
		Short: "Give a quarantined worker builds again",
		Long: `Ends the quarantine of a worker: it gets builds again. The server quarantines a
worker that lost or broke three builds in a row while another one finished some.`,
		Example: "  bbtw workers resume build-3",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			w, err := c.ResumeWorker(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(w)
			}
			_, err = fmt.Fprintf(a.out, "%s gets builds again.\n", w.Name)
			return err
		},
	}
}

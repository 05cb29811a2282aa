package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is a process by its number and when it started, in ticks since boot:
// numbers are used again.
type process struct {
	PID   int   `json:"pid"`
	Start int64 `json:"start"`
}

// stat is a process as in /proc/PID/stat (proc_pid_stat(5)).
type stat struct {
	process
	parent, group int
	zombie        bool
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	end := bytes.LastIndexByte(text, ')') // the name before it may hold anything
	fields := strings.Fields(string(text[end+1:]))
	if end < 0 || len(fields) < 20 {
		return stat{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	s := stat{zombie: fields[0] == "Z"}
	s.PID = pid
	var errs [3]error
	s.parent, errs[0] = strconv.Atoi(fields[1])
	s.group, errs[1] = strconv.Atoi(fields[2])
	s.Start, errs[2] = strconv.ParseInt(fields[19], 10, 64)
	return s, errors.Join(errs[:]...)
}

// alive reports whether the process is still there.
func (p process) alive() bool {
	s, err := readStat(p.PID)
	return err == nil && s.Start == p.Start && !s.zombie
}

// findRunner finds the gitlab-runner. It starts every stage in a process group
// of its own, so it is the first ancestor in another group, with any wrapper in
// between.
func findRunner() (process, error) {
	group := unix.Getpgrp()
	pid := os.Getppid()
	for range 100 {
		if pid <= 1 {
			return process{}, errors.New("the runner that started this program is gone")
		}
		s, err := readStat(pid)
		if err != nil {
			return process{}, fmt.Errorf("look for the runner that started this program: %w", err)
		}
		if s.group != group {
			return s.process, nil
		}
		pid = s.parent
	}
	return process{}, errors.New("the runner that started this program is not to be found")
}

// watchRunner returns a context that ends when the runner does: killed, it leaves
// its stages behind, and nobody would stop them or clean up.
func watchRunner(ctx context.Context, runner process) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if !runner.alive() {
					cancel() // first: nobody may read what is said
					say("the gitlab-runner that started this job is gone; the build is handed back")
					return
				}
			}
		}
	}()
	return ctx, cancel
}

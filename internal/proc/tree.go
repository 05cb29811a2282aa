package proc

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU times in /proc: USER_HZ, which is 100 on every
// architecture that Linux runs packages on.
const clockTick = 10 * time.Millisecond

// Process is one line of /proc/PID/stat, as far as needed.
type Process struct {
	PID, Parent int
	Threads     int
	CPU         time.Duration // own, and that of children that were waited for
	Resident    int64         // bytes in memory, those included that it shares with others
}

// ParseStat reads proc_pid_stat(5). The command name may hold spaces and
// parentheses, so fields are counted from the last one.
func ParseStat(text []byte) (Process, bool) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 1 || end < open {
		return Process{}, false
	}
	var p Process
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:open])))
	fields := strings.Fields(string(text[end+1:]))
	if err != nil || len(fields) < 22 {
		return Process{}, false
	}
	p.PID = pid
	number := func(i int) int64 {
		n, wrong := strconv.ParseInt(fields[i], 10, 64)
		if wrong != nil {
			err = wrong
		}
		return n
	}
	p.Parent, p.Threads = int(number(1)), int(number(17))
	for i := 11; i < 15; i++ { // utime stime cutime cstime
		p.CPU += time.Duration(number(i)) * clockTick
	}
	p.Resident = number(21) * int64(os.Getpagesize())
	return p, err == nil
}

// Tree returns a process and all its descendants, those in PID namespaces below
// it included.
func Tree(root int) []Process {
	all := map[int]Process{}
	names, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is valid
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		if p, ok := ParseStat(text); ok {
			all[p.PID] = p
		}
	}
	var tree []Process
	for pid, p := range all {
		if descends(all, pid, root) {
			tree = append(tree, p)
		}
	}
	return tree
}

func descends(all map[int]Process, pid, root int) bool {
	for depth := 0; pid > 1 && depth < 1000; depth++ { // pids are reused while one looks: no endless circle
		if pid == root {
			return true
		}
		pid = all[pid].Parent
	}
	return false
}

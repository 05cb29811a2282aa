package runners

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTick is the unit of CPU times in /proc: USER_HZ, which is 100 on every
// architecture that Linux runs packages on.
const clockTick = 10 * time.Millisecond

// process is one line of /proc/PID/stat, as far as needed.
type process struct {
	pid, parent int
	cpu         time.Duration // own, and that of children that were waited for
}

// parseStat reads proc_pid_stat(5). The command name may hold spaces and
// parentheses, so fields are counted from the last one.
func parseStat(text []byte) (process, bool) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 1 || end < open {
		return process{}, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:open])))
	fields := strings.Fields(string(text[end+1:]))
	if err != nil || len(fields) < 15 {
		return process{}, false
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return process{}, false
	}
	p := process{pid: pid, parent: parent}
	for _, field := range fields[11:15] { // utime stime cutime cstime
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return process{}, false
		}
		p.cpu += time.Duration(ticks) * clockTick
	}
	return p, true
}

// treeCPU sums the CPU time of a process and all its descendants, those in PID
// namespaces below it included.
func treeCPU(root int) time.Duration {
	all := map[int]process{}
	names, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is valid
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		if p, ok := parseStat(text); ok {
			all[p.pid] = p
		}
	}
	var sum time.Duration
	for pid, p := range all {
		if descends(all, pid, root) {
			sum += p.cpu
		}
	}
	return sum
}

func descends(all map[int]process, pid, root int) bool {
	for depth := 0; pid > 1 && depth < 1000; depth++ { // pids are reused while one looks: no endless circle
		if pid == root {
			return true
		}
		pid = all[pid].parent
	}
	return false
}

// killMarked kills every process of this user with an environment entry that
// begins with mark.
// It looks again until none is left, because a process may start another
// between the look and the kill.
func killMarked(mark string) {
	if mark == "" {
		return
	}
	for range 20 {
		found := markedProcesses(mark)
		if len(found) == 0 {
			return
		}
		for _, pid := range found {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(10 * time.Millisecond) // the kernel needs a moment to take them away
	}
}

func markedProcesses(mark string) []int {
	var pids []int
	names, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(append([]byte{0}, text...), []byte("\x00"+mark)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// oomKills is how many processes the kernel has killed for want of memory since
// boot, in any memory cgroup; 0 when it does not say.
func oomKills() int64 {
	text, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "oom_kill "); ok {
			kills, _ := strconv.ParseInt(strings.TrimSpace(n), 10, 64)
			return kills
		}
	}
	return 0
}

package limit

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"buildbtw/internal/proc"
)

// Watch measures the memory, processes and disk of a program and compares them with its
// limits.
type Watch struct {
	Limits
	Dirs []string // directories that the program can write to

	// Become is a command line that lets a program look into the Dirs where this
	// process cannot, because others own what is in them. May be empty.
	Become []string

	// Every is the shortest time between two looks; 0: 250 ms. They take no more
	// than a fiftieth of a processor.
	Every time.Duration
}

// Over returns a channel that receives an *ExceededError when the process and its
// descendants use more than they may. It ends with ctx.
func (w Watch) Over(ctx context.Context, pid int) <-chan error {
	found := make(chan error, 2)
	if w.Memory > 0 || w.Processes > 0 {
		go w.repeat(ctx, found, func() error { return w.processes(pid) })
	}
	if w.Disk > 0 && len(w.Dirs) > 0 {
		go w.repeat(ctx, found, func() error { return w.disk(ctx, pid) })
	}
	return found
}

func (w Watch) repeat(ctx context.Context, found chan<- error, look func() error) {
	const share = 50
	pause := w.Every
	if pause == 0 {
		pause = 250 * time.Millisecond
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case begun := <-timer.C:
			if err := look(); err != nil {
				found <- err
				return
			}
			timer.Reset(max(pause, share*time.Since(begun)))
		}
	}
}

func (w Watch) processes(pid int) error {
	tree := proc.Tree(pid)
	threads, resident := 0, int64(0)
	for _, p := range tree {
		threads += p.Threads
		resident += p.Resident
	}
	if w.Processes > 0 && threads > w.Processes {
		return w.tooManyProcesses()
	}
	if w.Memory == 0 {
		return nil
	}
	unnamed, _ := unnamedFiles(tree)
	if resident+unnamed <= w.Memory {
		return nil
	}
	// Shared pages were counted once for each process; now they are counted once.
	var own, shared int64
	for _, p := range tree {
		o, s := proportional(p.PID)
		own, shared = own+o, shared+s
	}
	if own+max(shared, unnamed) > w.Memory {
		return w.tooMuchMemory()
	}
	return nil
}

// proportional returns a process's part of memory that is no file's, and of
// shared memory, in bytes (proc_pid_smaps(5)).
func proportional(pid int) (own, shared int64) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup"))
	if err != nil {
		return 0, 0 // it has ended
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "Pss_Anon":
			own = kib << 10
		case "Pss_Shmem":
			shared = kib << 10
		}
	}
	return own, shared
}

// unnamedFiles returns how many bytes the files take that processes hold open but
// no directory has: in memory, and on disks.
func unnamedFiles(tree []proc.Process) (memory, disk int64) {
	type file struct{ device, inode uint64 }
	seen := map[file]bool{}
	for _, p := range tree {
		names, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(p.PID), "fd/*")) // the pattern is valid
		for _, name := range names {
			var st unix.Stat_t
			if unix.Stat(name, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink > 0 {
				continue
			}
			key := file{uint64(st.Dev), st.Ino} //nolint:unconvert // another type on other architectures
			if seen[key] {
				continue
			}
			seen[key] = true
			var fs unix.Statfs_t
			if unix.Statfs(name, &fs) == nil && fs.Type == unix.TMPFS_MAGIC {
				memory += st.Blocks * 512
			} else {
				disk += st.Blocks * 512
			}
		}
	}
	return memory, disk
}

func (w Watch) disk(ctx context.Context, pid int) error {
	// du goes through trees of any depth, follows no link and opens no file.
	args := append(append([]string{}, w.Become...), "du", "--summarize", "--total", "--one-file-system", "--block-size=1", "--")
	args = append(args, w.Dirs...)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C"}
	text, _ := cmd.Output() // it complains of files that are removed meanwhile
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	total, _, _ := strings.Cut(lines[len(lines)-1], "\t")
	used, err := strconv.ParseInt(total, 10, 64)
	if err != nil {
		return nil //nolint:nilerr // it was interrupted
	}
	_, unnamed := unnamedFiles(proc.Tree(pid))
	if used+unnamed > w.Disk {
		return w.tooMuchDisk()
	}
	return nil
}

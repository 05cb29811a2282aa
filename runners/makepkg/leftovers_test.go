package makepkg_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/runners"
	"buildbtw/runners/makepkg"
)

// leaves is a C program that makes, or looks for, what the kernel keeps under names.
// NUMBER tells tests on one machine apart.
const leaves = `
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#define KEY NUMBER
#define NAME "/buildbtw-NUMBER"
static void say(const char *what, int ok) { printf("%s %s\\n", ok ? "FOUND" : "absent", what); fflush(stdout); }
int main(int argc, char **argv) {
	int make = argc > 1, flags = make ? IPC_CREAT | 0666 : 0, open = make ? O_CREAT | O_RDWR : O_RDWR;
	struct mq_attr a = {.mq_maxmsg = 1, .mq_msgsize = 8};
	say("SysV shared memory", shmget(KEY, 4096, flags) >= 0);
	say("SysV semaphore", semget(KEY, 1, flags) >= 0);
	say("SysV queue", msgget(KEY, flags) >= 0);
	say("POSIX queue", mq_open(NAME, open, 0666, &a) != (mqd_t)-1);
	say("POSIX shared memory", shm_open(NAME, open, 0666) >= 0);
	say("POSIX semaphore", sem_open(NAME, make ? O_CREAT : 0, 0666, 1) != SEM_FAILED);
	struct sockaddr_un u = {.sun_family = AF_UNIX};
	strcpy(u.sun_path + 1, NAME);
	socklen_t n = sizeof(sa_family_t) + 1 + strlen(NAME);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	if (!make) { say("abstract socket", connect(s, (void *)&u, n) == 0); return 0; }
	say("abstract socket", bind(s, (void *)&u, n) == 0 && listen(s, 1) == 0);
	fclose(stdout);
	close(2);
	if (fork() == 0) { setsid(); signal(SIGTERM, SIG_IGN); if (fork() == 0) { execle("/usr/bin/sleep", "sleep", "NUMBER", (char *)0, (char *[]){0}); } _exit(0); }
	return 0;
}
`

// What a build leaves in every place that it can write to, and under every name
// that the kernel keeps, is not there for the next build of the same worker.
func TestNothingOfABuildReachesTheNext(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs makepkg several times; not with -short")
	}
	run, r := newRunner(t, makepkg.Options{}), newRepository(t)
	number := strconv.Itoa(100_000_000 + os.Getpid())
	program := "cat >leaves.c <<'C'" + strings.NewReplacer("NUMBER", number, `\\n`, `\n`).Replace(leaves) + "C\n  gcc -o leaves leaves.c -lrt -pthread\n"
	places := "/tmp /var/tmp /dev/shm /home/build /home/build/.ccache /home/build/.cache /home/build/.config/git /startdir /srcdest /build /pkgdest /var/lib/pacman/local /var/lib/pacman/sync"

	b := build(t, run, r, asks(program+`
  ./leaves make
  for d in `+places+`; do mkdir -p $d && echo left >$d/left-`+number+` && echo "FOUND $d" || echo "absent $d"; done
  (setsid env -i /usr/bin/sleep `+number+` >/dev/null 2>&1 &)`))
	if b.Outcome != buildbtw.OutcomeBuilt || strings.Contains(b.log, "absent") || strings.Count(b.log, "FOUND") != 20 {
		t.Fatalf("the first build could not leave all: %s %q\n%s", b.Outcome, b.Message, b.log)
	}
	if n := sleeping(t, number); n != 0 {
		t.Errorf("%d processes of the build are left", n)
	}
	b = build(t, run, r, asks(program+`
  ./leaves
  for d in `+places+`; do test -e $d/left-`+number+` && echo "FOUND $d" || echo "absent $d"; done
  for p in /proc/[0-9]*/cmdline; do ! tr '\\0' ' ' <$p 2>/dev/null | grep "^sleep" || echo FOUND a process; done`))
	if b.Outcome != buildbtw.OutcomeBuilt || strings.Contains(b.log, "FOUND") || strings.Count(b.log, "absent") != 20 {
		t.Errorf("the next build: %s %q\n%s", b.Outcome, b.Message, b.log)
	}
}

// Without isolation nothing of this can be promised, which is said; but where
// builds run as users of their own, no process of theirs outlives them.
func TestWithoutIsolationItIsSaid(t *testing.T) {
	t.Parallel()
	run, r := newRunner(t, makepkg.Options{Isolation: makepkg.None}), newRepository(t)
	warned := ""
	for _, n := range run.Notes() {
		if n.Warning {
			warned = n.Text
		}
	}
	if !strings.Contains(warned, "leave processes and files for the next build") || !strings.Contains(warned, "tokens") {
		t.Errorf("no warning: %q", warned)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root gives builds users of their own")
	}
	seconds := strconv.Itoa(200_000_000 + os.Getpid())
	job := asks("(setsid env -i /usr/bin/sleep "+seconds+" >/dev/null 2>&1 &)").prepare(t, r)
	reachable(t, makepkg.None, job)
	b := execute(t, run, job)
	if b.Outcome != buildbtw.OutcomeBuilt || b.err != nil {
		t.Errorf("%s %q %v\n%s", b.Outcome, b.Message, b.err, b.log)
	}
	waitFor(t, "the end of the sleep", func() bool { return sleeping(t, seconds) == 0 })
	if err := runners.RemoveTree(job.Work); err != nil {
		t.Error(err)
	}
}

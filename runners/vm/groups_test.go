package vm_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw"
)

// TestControlGroupsInAGuest runs runners' TestControlGroups where there are control
// groups to be had: in a guest, whose kernel is a real one and nobody else's.
func TestControlGroupsInAGuest(t *testing.T) {
	t.Parallel()
	o := guestOptions(t, `top=/sys/fs/cgroup
mkdir -p $top && mount -t cgroup2 none $top && echo '+memory +pids' >$top/cgroup.subtree_control || exit 1
export BUILDBTW_TEST_GROUPS=1 TMPDIR=/tmp
in_group() { # GROUP TEST: as the only process that is started there
	mkdir -p $top/$1
	sh -c "echo \$\$ >$top/$1/cgroup.procs && exec ./source/runners.test -test.v -test.run='^$2\$'" && passed=$passed$2+
}
in_group alone 'TestControlGroups$/^neither'
in_group unit/main TestControlGroups # as systemd's DelegateSubgroup makes it
sleep 1000 >/dev/null 2>&1 & mkdir -p $top/shared && echo $! >$top/shared/cgroup.procs
in_group shared TestNoControlGroup
[ "$passed" = 'TestControlGroups$/^neither+TestControlGroups+TestNoControlGroup+' ]
echo $? >/buildbtw/out/result
`)
	job := guestJob(t)
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", filepath.Join(job.Tree, "runners.test"), "buildbtw/runners")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go test -c: %v\n%s", err, out)
	}
	var log bytes.Buffer
	result := newRunner(t, o).Build(t.Context(), job, &log)
	if result.Outcome != buildbtw.OutcomeBuilt || strings.Count(log.String(), "--- PASS: TestControlGroups ") != 2 {
		t.Errorf("%+v\n%s", result, &log)
	}
}

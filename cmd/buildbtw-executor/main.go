// Command buildbtw-executor is a custom executor for gitlab-runner: GitLab's
// runner fleet executes the builds, and the state stays in buildbtw. Each stage
// of a job is a process of its own; they share a state file for each job.
//
// Calls, environment and exit codes of a real gitlab-runner: docs/toolchain.md,
// section 6.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/cli"
	"buildbtw/runners/fetch"
)

func main() {
	fetch.Inside()
	// A runner that is killed breaks the pipes to which this program writes, and the build is
	// still to be handed back. Ignored, the signal would be so for programs of builds, too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(cli.Run(command()))
}

// command returns the whole tree of commands.
func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "buildbtw-executor",
		Short: "Execute builds as jobs of a gitlab-runner",
		Long: `buildbtw-executor is the driver of a gitlab-runner's custom executor. The runner
calls config, prepare, run and cleanup for every job; the build happens in run,
at the stage build_script. No script of a job runs on this machine: the server
says what is to be built, and a runner such as vm isolates it.

Every flag can also be set by an environment variable: --server-url is
BUILDBTW_SERVER_URL. Set them in the environment of gitlab-runner.`,
		Example: `  # is this machine ready?
  buildbtw-executor doctor --server-url https://buildbtw.example.org --worker-token-file /etc/buildbtw/token`,
	}
	root.AddCommand(configCommand(), prepareCommand(), runCommand(), cleanupCommand(), doctorCommand(), cli.VersionCommand())
	return root
}

// The variables in which a runner sets the meaning of exit codes. Any other
// code counts as a fault of the runner's own.
const (
	envBuildFailure  = "BUILD_FAILURE_EXIT_CODE"
	envSystemFailure = "SYSTEM_FAILURE_EXIT_CODE"
	envExitCodeFile  = "BUILD_EXIT_CODE_FILE"
)

// buildFailure marks an error as the failure of the job: the package's fault, or a job that
// must not be executed. The runner does not try it again.
func buildFailure(err error) error { return cli.WithCode(err, exitCode(envBuildFailure, 1)) }

// systemFailure marks an error as the failure of the system: this machine or the server is at fault. The runner
// tries prepare again.
func systemFailure(err error) error { return cli.WithCode(err, exitCode(envSystemFailure, 2)) }

func exitCode(variable string, otherwise int) int {
	code, err := strconv.Atoi(os.Getenv(variable))
	if err != nil || code < 1 || code > 255 {
		return otherwise
	}
	return code
}

// say writes a line into the job's log. Standard output belongs to config's
// answer, so everything else goes to standard error.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "buildbtw: "+format+"\n", args...)
}

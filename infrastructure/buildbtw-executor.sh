#!/bin/bash
# buildbtw-executor.sh: buildbtw-executor for sites that keep its settings in a
# file instead of gitlab-runner's environment, or have it run as another user.
# Name it in config.toml as config_exec, prepare_exec, run_exec and cleanup_exec,
# with the same arguments as the program.
#
#   BUILDBTW_EXECUTOR_CONF   file with VARIABLE=value lines (/etc/buildbtw/executor.conf)
#   BUILDBTW_EXECUTOR        the program (buildbtw-executor from the PATH)
#
# It replaces itself by the program: signals reach that one, and what the program
# says of its exit code is what gitlab-runner hears. Anything that goes wrong
# before is a failure of the machine.
set -u
conf=${BUILDBTW_EXECUTOR_CONF:-/etc/buildbtw/executor.conf}
if [ -e "$conf" ]; then
	set -a
	# shellcheck source=/dev/null
	. "$conf" >&2 || exit "${SYSTEM_FAILURE_EXIT_CODE:-2}"
	set +a
fi
program=$(command -v "${BUILDBTW_EXECUTOR:-buildbtw-executor}") || {
	echo "buildbtw: ${BUILDBTW_EXECUTOR:-buildbtw-executor} is not installed" >&2
	exit "${SYSTEM_FAILURE_EXIT_CODE:-2}"
}
exec "$program" "$@"

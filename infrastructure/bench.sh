#!/bin/bash
# bench.sh [AREA...]: measures the paths that figures are promised for and prints
# the median of three runs, with the least and the most, one line each. Without
# an area all of them; see docs/benchmarks.md. RUNS=5 makes five runs.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${RUNS:-3}

# area  package  benchmarks  for how long or how often
table='
plan    ./buildgraph  ^Benchmark(Index|PlanOf.*)$                                        15x
plan    ./buildgraph  ^Benchmark(PlanAgainstTsort|CutsOf.*|Push.*|Three.*)$              15x
cold    ./catalog     ^BenchmarkColdPlan$                                                3x
claim   ./store       ^Benchmark(CreateIteration|Claim.*|Heartbeat)$                     20x
who     ./auth        ^BenchmarkWho$                                                     300x
finish  ./store       ^Benchmark(Finish.*)$                                              20x
finish  ./pacman/pacmanrepo ^Benchmark(Stage|Publish)$                                         10x
dispatch ./handlers/apiv1 ^BenchmarkDispatch$                                           200x
pages   ./handlers    ^Benchmark(BuildspacePage|HomePage)$                               40x
pages   ./handlers    ^BenchmarkComparePage$                                             8x
search  ./internal/directory  ^BenchmarkFind$                                                      2000x
live    ./handlers    ^BenchmarkLive$                                                    1x
logs    ./buildlog    ^BenchmarkLog$                                                      10x
logs    ./handlers    ^BenchmarkLog$                                                      10x
logs    ./cmd/internal/browser  ^BenchmarkLogInTheBrowser$                           1x
lists   ./store       ^Benchmark(PageOfBlockedBuilds|Blockers|Graph|Diff|Buildspaces)$   20x
graph   ./internal/graphlayout ^BenchmarkLayout$                                                  50x
graph   ./handlers    ^BenchmarkGraphPage$                                               3x
sources ./pacman/srcinfo  ^BenchmarkParse$                                                   3x
gitlab  ./forge       ^BenchmarkFirstFill$                                               1x
gitlab  ./forge       ^Benchmark(QuietPass|PushToIteration)$                             10x
load    ./cmd/internal/chaos  ^Benchmark(Workers|FinishUnblocks3000OverHTTP)$        1x
'

# summary reads what go test prints and takes the median of each benchmark.
summary() {
	awk '
	/^Benchmark/ {
		name = $1; sub(/^Benchmark/, "", name); sub(/-[0-9]+$/, "", name)
		if (!(name in n)) order[++names] = name
		i = ++n[name]; ns[name, i] = $3
		for (f = 5; f < NF; f += 2) { metric[name, $(f + 1), i] = $f; if (!seen[name, $(f + 1)]++) units[name] = units[name] " " $(f + 1) }
		next
	}
	/SKIP|skipped|^---|FAIL|panic/ { print "  " $0; if (/FAIL|panic/) failed = 1 }
	function sorted(count,   i, j, t) { # v[1..count], by insertion
		for (i = 2; i <= count; i++) { t = v[i]; for (j = i - 1; j > 0 && v[j] > t; j--) v[j + 1] = v[j]; v[j + 1] = t }
	}
	function median(count) { return count % 2 ? v[(count + 1) / 2] : (v[count / 2] + v[count / 2 + 1]) / 2 }
	function ms(x) { return sprintf(x < 1e6 ? "%.3f ms" : x < 1e8 ? "%.1f ms" : "%.0f ms", x / 1e6) }
	END {
		for (k = 1; k <= names; k++) {
			name = order[k]; count = n[name]
			for (i = 1; i <= count; i++) v[i] = ns[name, i] + 0
			sorted(count)
			line = sprintf("  %-44s %10s  (%s to %s)", name, ms(median(count)), ms(v[1]), ms(v[count]))
			m = split(substr(units[name], 2), unit, " ")
			for (u = 1; u <= m; u++) {
				for (i = 1; i <= count; i++) v[i] = metric[name, unit[u], i] + 0
				sorted(count)
				line = line sprintf("  %.4g %s", median(count), unit[u])
			}
			print line
		}
		exit failed
	}'
}

printf '%s, %s processors, load %s, %s\n' "$(awk -F': ' '/^model name/ {print $2; exit}' /proc/cpuinfo)" \
	"$(nproc)" "$(cut -d' ' -f1 /proc/loadavg)" "$(go env GOVERSION)"
failed=0
while read -r area package pattern time; do
	[ -n "$area" ] || continue
	[ $# -eq 0 ] || [[ " $* " == *" $area "* ]] || continue
	printf '\n%s: %s, median of %s runs of %s\n' "$area" "$package" "$runs" "$time"
	go test -run '^$' -bench "$pattern" -benchtime "$time" -count "$runs" -timeout 20m "$package" | summary || failed=1
done <<<"$table"
exit $failed

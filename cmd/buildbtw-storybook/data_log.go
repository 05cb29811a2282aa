package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/internal/ansi"
	"buildbtw/views"
)

// hugeLines is how long the log is that the stories' scripts ask about.
const hugeLines = 2_345_678

// colours returns a log with every colour and face, and with other escapes that
// programs print.
func colours() []string {
	lines := []string{"\x1b[1m\x1b[32m==>\x1b(B\x1b[m\x1b[1m Starting build()...\x1b(B\x1b[m"}
	for _, base := range []int{30, 90, 40, 100} {
		var b strings.Builder
		for i := range 8 {
			fmt.Fprintf(&b, "\x1b[%dm colour %-3d \x1b[0m", base+i, base+i)
		}
		lines = append(lines, b.String())
	}
	var b strings.Builder
	for i := 16; i < 232; i += 6 {
		fmt.Fprintf(&b, "\x1b[38;5;%dm#\x1b[48;5;%dm \x1b[0m", i, i)
	}
	return append(lines, b.String(),
		"\x1b[1mbold\x1b[0m \x1b[2mdim\x1b[0m \x1b[3mitalic\x1b[0m \x1b[4munderlined\x1b[0m \x1b[7minverse\x1b[0m \x1b[9mstruck\x1b[0m \x1b[1;4;35mall of it\x1b[0m",
		"\x1b[38;2;255;128;0mtruecolour\x1b[0m and \x1b[48;2;0;80;160;97mits ground\x1b[0m",
		"\x1b[01m\x1b[Ksrc/x.c:3:5:\x1b[m\x1b[K \x1b[01;31m\x1b[Kerror: \x1b[m\x1b[K'frobnicate' undeclared (first use in this function)",
		" 10%\r 50%\r100% downloaded", "\ttab\tstops\there", "bytes that are no text: \xff\xfe, and a bell \x07", "<script>document.title='owned'</script>",
	)
}

func rows(first int64, text []string) []views.LogLine {
	var lines []views.LogLine
	for i, t := range text {
		n := first + int64(i)
		lines = append(lines, views.LogLine{Number: n, Spans: ansi.Line([]byte(t)), After: views.Elapsed(time.Duration(n) * 130 * time.Millisecond)})
	}
	return lines
}

func made(first int64, n int) []string {
	var text []string
	for i := range n {
		text = append(text, fmt.Sprintf("[%d/%d] Compiling src/module_%d.c -O2 -pipe -fno-plt -fexceptions -Wp,-D_FORTIFY_SOURCE=3", first+int64(i), hugeLines, first+int64(i)))
	}
	return text
}

func logPage(state buildbtw.AttemptState, outcome buildbtw.Outcome, lines []views.LogLine) views.LogPage {
	place := views.LogPlace{Build: 7, Attempt: 2}
	v := views.LogPage{
		BuildLink: link(7, "yarn", buildbtw.StatusFailed), Buildspace: "openssl-3.6", Iteration: 4, Version: "1.22.22-2", Place: place,
		Attempts: []views.LogAttempt{
			{Number: 2, State: state, Outcome: outcome}, {Number: 1, State: buildbtw.AttemptFinished, Outcome: buildbtw.OutcomeLost},
		},
		Window: views.LogWindow{Place: place, Lines: lines}, Bytes: 31337,
		Finds: views.LogFinds{Place: place, State: state, Outcome: outcome},
	}
	if n := len(lines); n > 0 {
		v.Window.Total = lines[n-1].Number
	}
	return v
}

func failedLog() views.LogPage {
	text := append(colours(), made(14, 120)...)
	text = append(text, "src/yarn.c:14:2: fatal error: openssl/engine.h: No such file or directory", "compilation terminated.",
		"make: *** [Makefile:12: yarn.o] Error 1", "==> ERROR: A failure occurred in build().", "    Aborting...")
	v := logPage(buildbtw.AttemptFinished, buildbtw.OutcomeFailed, rows(1, text))
	v.Window.Chosen = 134
	v.Finds.Message = "build() failed with exit code 4"
	v.Finds.Found = 4
	v.Finds.Errors = []views.LogMark{
		{Line: 9, Kind: "compiler", Text: "src/x.c:3:5: error: 'frobnicate' undeclared (first use in this function)"},
		{Line: 134, Kind: "compiler", Text: text[133]},
		{Line: 136, Kind: "make", Text: text[135]},
		{Line: 137, Kind: "makepkg", Text: text[136]},
	}
	v.Finds.Phases = []views.LogPhase{
		{LogMark: views.LogMark{Line: 1, Text: "==> Starting build()..."}, Lines: 19, Took: "1 min 3 s"},
		{LogMark: views.LogMark{Line: 20, Text: "==> Starting check()..."}, Lines: 118, Took: "12 s"},
	}
	return v
}

func colouredLog() views.LogPage {
	return logPage(buildbtw.AttemptFinished, buildbtw.OutcomeBuilt, rows(1, colours()))
}

func runningLog() views.LogPage {
	v := logPage(buildbtw.AttemptRunning, "", rows(hugeLines-399, made(hugeLines-399, 400)))
	v.Finds.Phases = []views.LogPhase{{LogMark: views.LogMark{Line: 3, Text: "==> Starting build()..."}, Lines: hugeLines - 2}}
	return v
}

func hugeLog() views.LogPage {
	v := logPage(buildbtw.AttemptFinished, buildbtw.OutcomeFailed, rows(hugeLines-399, made(hugeLines-399, 400)))
	v.Bytes, v.Finds.Found = 210<<20, 12_000
	v.Place.Query = views.LogQuery{Text: "module_9", MatchCase: true}
	v.Hits = &views.LogHits{Place: v.Place, Begun: 1, Next: 1_200_001}
	for i := range int64(200) {
		v.Finds.Errors = append(v.Finds.Errors, views.LogMark{Line: 1000 * (i + 1), Kind: "compiler", Text: fmt.Sprintf("src/module_%d.c:1:2: error: no such thing", i)})
		v.Hits.Hits = append(v.Hits.Hits, views.LogHit{Line: 5000 * (i + 1), Before: "Compiling src/", Found: "module_9", After: strings.Repeat(" -O2", 20)})
	}
	return v
}

func wrongSearch() views.LogPage {
	v := colouredLog()
	v.Place.Query = views.LogQuery{Text: "(", Regexp: true}
	v.Hits = &views.LogHits{Place: v.Place, Begun: 1, Wrong: `"(" is no regular expression: missing closing )`}
	return v
}

func logStories(s views.Shell) []story {
	s.Nav, s.Crumbs = views.NavBuildspaces, views.IterationCrumbs("openssl-3.6", 4, views.Crumb{Label: "yarn", URL: "/builds/7"}, views.Crumb{Label: "Log"})
	return []story{
		{"/log/empty", page(s, views.LogContent(logPage(buildbtw.AttemptRunning, "", nil)))},
		{"/log/not-kept", page(s, views.LogContent(logPage(buildbtw.AttemptFinished, buildbtw.OutcomeLost, nil)))},
		{"/log/running", page(s, views.LogContent(runningLog()))},
		{"/log/failed", page(s, views.LogContent(failedLog()))},
		{"/log/huge", page(s, views.LogContent(hugeLog()))},
		{"/log/colours", page(s, views.LogContent(colouredLog()))},
		{"/log/wrong-search", page(s, views.LogContent(wrongSearch()))},
	}
}

// logRoutes answers the requests of a log page's script.
func logRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /builds/{id}/log/lines", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		number := func(name string) int64 { n, _ := strconv.ParseInt(q.Get(name), 10, 64); return n } // 0 where there is none
		first := int64(hugeLines - 399)
		switch {
		case number("line") > 0:
			first = number("line") - 50
		case number("from") > 0:
			first = number("from")
		case number("before") > 0:
			first = number("before") - 400
		}
		first = min(max(first, 1), hugeLines)
		window := views.LogWindow{Lines: rows(first, made(first, int(min(400, hugeLines-first+1)))), Total: hugeLines}
		_ = views.LogRows(window).Render(r.Context(), w) // a browser that left
	})
	mux.HandleFunc("GET /api/v1/builds/{id}/log/state", func(w http.ResponseWriter, r *http.Request) {
		data, _ := json.Marshal(api.LogState{Attempt: 2, Running: true, Lines: hugeLines, Size: 210 << 20}) // numbers have no way to fail
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, "retry: 3600000\nevent: state\ndata: %s\n\n", data)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
}

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/views"
)

// pictureStories are the pages with pictures other than the graph.
func pictureStories(s views.Shell) []story {
	s.Nav, s.Script = views.NavWorkers, s.Assets.Pictures
	one := s
	one.Nav, one.Crumbs = views.NavBuildspaces, views.BuildspaceCrumbs("openssl-3.6", views.Crumb{Label: "Packages"})
	every := one
	every.Crumbs = []views.Crumb{{Label: "Buildspaces", URL: "/buildspaces"}, {Label: "Packages"}}
	all := packageGrid()
	all.Buildspace, all.Broke, all.Latest = "", 0, 0
	for i := range all.Columns {
		all.Columns[i] = views.GridColumn{Buildspace: madeUp(i) + "-rebuild", Iteration: i%3 + 1}
	}
	past := machines()
	past.Live, past.More = false, true
	return []story{
		{"/machines/live", page(s, views.MachinesContent(machines(), ago(0).Now))},
		{"/machines/past", page(s, views.MachinesContent(past, ago(0).Now))},
		{"/machines/none", page(s, views.MachinesContent(views.Machines{Hours: 24, Live: true, Until: ago(0).Now}, ago(0).Now))},
		{"/treemap/building", page(one, views.TreemapContent(buildTimes()))},
		{"/treemap/none", page(one, views.TreemapContent(views.Treemap{Buildspace: "openssl-3.6", Number: 4, Architecture: "x86_64", Architectures: []string{"x86_64"}, LeftOut: 3}))},
		{"/packages/iterations", page(one, views.GridContent(packageGrid()))},
		{"/packages/buildspaces", page(every, views.GridContent(all))},
		{"/packages/none", page(one, views.GridContent(views.Grid{Buildspace: "openssl-3.6"}))},
	}
}

func machines() views.Machines {
	now := ago(0).Now
	v := views.Machines{Hours: 6, From: now.Add(-6 * time.Hour), Until: now, Live: true}
	for i := range 8 {
		lane := views.MachineLane{Worker: fmt.Sprintf("build%02d", i/3+1), Slot: i % 3, Present: i != 7, Builds: 20 + i, Failed: i % 3, Broken: i % 2, Busy: 70 + 3*i}
		if i%2 == 0 {
			lane.Now, lane.Since = &views.BuildLink{ID: int64(i), Pkgbase: madeUp(i), Status: buildbtw.StatusBuilding}, ago(7*time.Minute)
			lane.Next = []views.MachineNext{{Build: views.BuildLink{ID: 3, Pkgbase: madeUp(i + 9)}, Starts: "in 12 min"}, {Build: views.BuildLink{ID: 4, Pkgbase: madeUp(i + 10)}, Starts: "in 25 min"}}
		}
		v.Lanes = append(v.Lanes, lane)
	}
	return v
}

func packageGrid() views.Grid {
	v := views.Grid{Buildspace: "openssl-3.6", Latest: 4, Architecture: "x86_64", Architectures: []string{"aarch64", "x86_64"}, Total: 300, Broke: 2, Found: 300, Size: 3}
	for i := range 12 {
		v.Columns = append(v.Columns, views.GridColumn{Buildspace: "openssl-3.6", Iteration: i + 1})
	}
	for i := range 3 {
		row := views.GridRow{Pkgbase: madeUp(i), Stage: 1, Broke: -1}
		for column := range 12 {
			cell := views.GridCell{ID: int64(column + 1), Status: buildbtw.StatusBuilt, Seconds: 30*column + 5, Reused: column%5 == 2}
			if i < 2 && column > 10-i {
				cell.Status, cell.Reused, row.Broke = buildbtw.StatusFailed, false, 11-i
			}
			row.Cells = append(row.Cells, cell)
		}
		v.Rows = append(v.Rows, row)
	}
	return v
}

func buildTimes() views.Treemap {
	v := views.Treemap{Buildspace: "openssl-3.6", Number: 4, Architecture: "x86_64", Architectures: []string{"x86_64"}, LeftOut: 12, Size: 60}
	var builds []views.BuildTime
	for i := range 1500 {
		status := buildbtw.StatusBuilt
		switch {
		case i%23 == 4:
			status = buildbtw.StatusFailed
		case i%19 == 2:
			status = buildbtw.StatusBuilding
		case i%5 == 1:
			status = buildbtw.StatusWaiting
		case i%13 == 3:
			status = buildbtw.StatusBlocked
		case i%17 == 3:
			status = buildbtw.StatusPending
		}
		name := madeUp(i)
		if i >= 60 {
			name += fmt.Sprintf("-%d", i)
		}
		builds = append(builds, views.BuildTime{
			Build: views.BuildLink{ID: int64(i + 1), Pkgbase: name, Status: status}, Time: time.Duration(9000/(1+i/2)+4) * time.Second,
			Expected: status != buildbtw.StatusBuilt && status != buildbtw.StatusFailed,
		})
	}
	v.Arrange(builds)
	v.Builds = builds[:60]
	return v
}

// pictureRoutes answers the requests of the pictures' script.
func pictureRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /workers/time/bars", func(w http.ResponseWriter, _ *http.Request) {
		now := ago(0).Now.UnixMilli()
		lanes, slots, present, names := []string{}, []int{}, []bool{}, []string{}
		var bars, ahead []int64
		for i := range 8 {
			lanes, slots, present = append(lanes, fmt.Sprintf("build%02d", i/3+1)), append(slots, i%3), append(present, i != 7)
		}
		for i := range 40 {
			names = append(names, madeUp(i))
		}
		for lane := range int64(8) {
			at := now - 6*3600_000
			for i := int64(0); at < now-600_000; i++ {
				took := 120_000 + (lane*7+i*13)%17*100_000
				outcome := []int64{0, 0, 0, 1, 0, 0, 2, 0, 0, 3}[(lane+i)%10]
				bars = append(bars, lane, 1000*lane+i, 1, (lane*5+i)%40, 0, outcome, at, took)
				at += took + 40_000 + (lane+i)%5*90_000
			}
			if lane%2 == 0 {
				bars = append(bars, lane, 1000*lane+900, 1, lane, 0, 4, max(at, now-420_000), -1)
			}
			for at, i := max(at, now)+300_000, int64(0); i < 5 && lane != 7; i++ {
				took := 300_000 + (lane+i)%4*400_000
				ahead = append(ahead, lane, 1000*lane+950+i, 0, (lane+i)%40, 0, 4, at, took)
				at += took
			}
		}
		body, err := json.Marshal(map[string]any{
			"now": now, "lanes": lanes, "slots": slots, "present": present, "names": names, "spaces": []string{"openssl-3.6 #4"},
			"outcomes": []string{"built", "failed", "lost", "cancelled", ""}, "bars": bars, "ahead": ahead,
		})
		answer(w, body, err)
	})
	mux.HandleFunc("GET /grid/cells", func(w http.ResponseWriter, r *http.Request) {
		const rows = 300
		columns, codes, ids, seconds := []string{}, []string{}, [][]int64{}, [][]int{}
		broke, names := make([]int, rows), make([]string, rows)
		for row := range rows {
			if names[row], broke[row] = fmt.Sprintf("%s-%d", madeUp(row), row), -1; row < 2 {
				broke[row] = 11 - row
			}
		}
		for column := range 12 {
			label := fmt.Sprintf("#%d", column+1)
			if r.URL.Query().Get("buildspace") == "" {
				label = fmt.Sprintf("%s-rebuild #%d", madeUp(column), column%3+1)
			}
			var code strings.Builder
			one, took := make([]int64, rows), make([]int, rows)
			for row := range rows {
				one[row], took[row] = 1, (row*7919+column*31)%600
				switch {
				case row < 2 && column > 10-row || row == 5:
					code.WriteByte('f')
				case column == 11 && row > 200:
					code.WriteByte("kkpb"[row%4])
				case column < row%7-3:
					code.WriteByte('-')
					one[row] = 0
				default:
					code.WriteByte("dddrddx"[(row+column)%7])
				}
			}
			columns, codes, ids, seconds = append(columns, label), append(codes, code.String()), append(ids, one), append(seconds, took)
		}
		body, err := json.Marshal(map[string]any{"columns": columns, "rows": names, "broke": broke, "codes": codes, "ids": ids, "seconds": seconds})
		answer(w, body, err)
	})
}

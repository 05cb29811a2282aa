package main

import (
	"time"

	"buildbtw"
	"buildbtw/views"
)

const day = 24 * time.Hour

// keptIteration is an old one whose packages go soon, and which somebody may keep.
func keptIteration() views.Iteration {
	v := supersededIteration()
	v.CanChange = true
	v.Stay = views.Stay{
		Buildspace: v.Buildspace, Number: v.Number, Packages: views.StayLine{Until: time.Now().Add(9 * day)}, Logs: views.StayLine{Until: time.Now().Add(159 * day)},
		History: views.StayLine{Until: time.Now().Add(344 * day), Needed: "packages of it were released; archive it instead"},
		Files:   412, Bytes: 1_734_967_296, NoDelete: "packages of it were released; archive it instead", CanChange: true,
	}
	return v
}

// archivedIteration is one whose packages and logs are gone.
func archivedIteration() views.Iteration {
	v := supersededIteration()
	packages, logs := time.Now().Add(-170*day), time.Now().Add(-20*day)
	v.Stay = views.Stay{
		Buildspace: v.Buildspace, Number: v.Number, Packages: views.StayLine{Gone: &packages, By: "anna"}, Logs: views.StayLine{Gone: &logs, By: buildbtw.System},
		History: views.StayLine{Until: time.Now().Add(165 * day)},
	}
	return v
}

// disk has something of each kind.
func disk() views.Disk {
	return views.Disk{
		Measured: ago(20 * time.Minute), Iterations: 48, Archived: 31,
		Kinds: []views.DiskKind{
			{Label: "Repositories of iterations", Bytes: 412_316_860_416},
			{Label: "Targets", Note: "without files that iterations have, too", Bytes: 21_474_836_480},
			{Label: "Uploads that are not published yet", Bytes: 734_003_200},
			{Label: "Logs", Note: "12 of 90,312 logs not compressed", Bytes: 9_663_676_416},
			{Label: "Database", Note: "with 212 results on the base alone, 8,412 lists of installed packages, interfaces of 14,302 package files", Bytes: 2_147_483_648},
		},
		Due: []views.DueLine{
			{Buildspace: "openssl-3.6", Number: 1, What: "packages and repositories", Packages: 412, Bytes: 1_734_967_296, Ended: ago(31 * day)},
			{Buildspace: "python-3.14-rebuild-of-everything", Number: 12, What: "all that is known of it", Ended: ago(400 * day)},
		},
		DueFrees: 934_967_296, DueShared: "14 builds on the base alone, 3,120 records of what was installed",
		Orphans: views.DiskOrphans{Repositories: buildbtw.Names{"lost_7"}, Logs: 12, Bytes: 73_400_320},
		Policy: []views.PolicyLine{
			{Label: "Newest", Value: "3 iterations of each buildspace stay whole", Flag: "--retention-newest"},
			{Label: "Packages", Value: "30 days", Flag: "--retention-packages"},
			{Label: "Logs", Value: "180 days", Flag: "--retention-logs"},
			{Label: "History", Value: "for good", Flag: "--retention-history"},
			{Label: "Builds on the base alone", Value: "90 days", Flag: "--retention-baselines"},
			{Label: "What was installed", Value: "90 days", Flag: "--retention-installed"},
			{Label: "Machines", Value: "90 days", Flag: "--retention-workers"},
		},
		Pass:      views.DiskPass{Since: ago(4 * time.Minute), Repositories: 1, Logs: 2000, Bytes: 1_073_741_824, Doing: "compressing logs"},
		CanManage: true,
	}
}

// diskAway has logs in object storage, which is away, and of which some were lost.
func diskAway() views.Disk {
	v := disk()
	v.Objects = &views.DiskObjects{
		Location: "s3://buildbtw-logs/production at https://s3.example.org", At: ago(40 * time.Second), Files: 81_204, Bytes: 7_516_192_768, Missing: 3, Waiting: 412,
		Trouble: "s3.example.org cannot be reached: connection refused",
	}
	return v
}

// diskMoved has logs in object storage, and all is well.
func diskMoved() views.Disk {
	v := disk()
	v.Objects = &views.DiskObjects{Location: "s3://buildbtw-logs/production at https://s3.example.org", At: ago(40 * time.Second), Files: 81_204, Bytes: 7_516_192_768}
	return v
}

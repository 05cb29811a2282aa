package invariants

// reuseRules are those about nothing identical being built twice.
func reuseRules() []rule {
	return []rule{
		{"no input is built twice unless forced", `
SELECT input_key FROM attempts WHERE input_key <> '' AND state = 'finished' AND outcome = 'built' GROUP BY input_key HAVING count(*) > 1`},
		{"only a pending build is held", `
SELECT pkgbase || ' is ' || status FROM builds WHERE held <> '' AND status <> 'pending'`},
		{"what was built before is not handed out", `
SELECT p.pkgbase FROM builds AS p JOIN iterations AS i ON i.id = p.iteration_id JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE p.status = 'pending' AND p.twin_of = 0 AND p.held NOT IN ('reuse', 'linking') AND NOT p.forced AND s.reuse AND p.input_key <> ''
AND EXISTS (SELECT 1 FROM builds AS r WHERE r.input_key = p.input_key AND r.status = 'built')`},
		{"a build waits for another one's run only while there is one", `
SELECT p.pkgbase FROM builds AS p WHERE p.held = 'running'
AND NOT EXISTS (SELECT 1 FROM builds AS r WHERE r.input_key = p.input_key AND r.status IN ('scheduled', 'building'))`},
		{"a build waits to be reused only while there is a result", `
SELECT p.pkgbase FROM builds AS p WHERE p.held = 'reuse'
AND NOT EXISTS (SELECT 1 FROM builds AS r WHERE r.input_key = p.input_key AND r.status = 'built')`},
		{"what is linked has a source", `
SELECT p.pkgbase FROM builds AS p WHERE p.held = 'linking' AND p.reused_from = 0`},
		{"the output of a built build is known", `
SELECT pkgbase FROM builds WHERE status = 'built' AND output_digest = ''`},
		{"a pending build waits for nothing", `
SELECT pkgbase FROM builds WHERE status = 'pending' AND waiting > 0`},
	}
}

package invariants

// comparisonRules are those of builds that are only made to be compared with others: on the base
// alone, or a second time.
func comparisonRules() []rule {
	return []rule{
		{"nothing of a build on the base alone, or of a second one, is published, or a result for others", `
SELECT b.pkgbase FROM builds AS b WHERE (b.baseline_id <> 0 OR b.repeat_of <> 0)
AND (b.input_key <> '' OR b.held <> '' OR EXISTS (SELECT 1 FROM packages AS p WHERE p.build_id = b.id AND p.published))`},
		{"an iteration of a build on the base alone, or of a second one, goes on for as long as the build", `
SELECT b.pkgbase || ' is ' || b.status || ', its iteration ' || i.state FROM builds AS b JOIN iterations AS i ON i.id = b.iteration_id
WHERE (b.baseline_id <> 0 OR b.repeat_of <> 0) AND (i.state = 'ready') <> (b.status IN ('pending', 'building'))`},
		{"a second build that goes on is waited for, and one without a result goes on", `
SELECT 'build ' || b.id || ' of ' || b.pkgbase FROM builds AS b WHERE b.repeat_of <> 0 AND b.status IN ('pending', 'building')
AND NOT EXISTS (SELECT 1 FROM repeats AS r WHERE r.second_id = b.id AND r.result = '')
UNION ALL
SELECT 'the repeat of ' || r.first_id FROM repeats AS r JOIN builds AS b ON b.id = r.second_id WHERE r.result = '' AND b.status NOT IN ('pending', 'building')`},
		{"a verdict is of a build that failed, or of one that is flaky", `
SELECT b.pkgbase || ' is ' || b.status || ', ' || b.verdict FROM builds AS b WHERE b.verdict <> ''
AND (b.verdict = 'flaky') <> (b.status = 'built') OR b.verdict <> '' AND b.status NOT IN ('built', 'failed')`},
		{"a build that is yours or was broken before, and whose packages are kept, has been compared with one on the base alone that ended so", `
SELECT b.pkgbase || ' is ' || b.verdict FROM builds AS b WHERE b.verdict IN ('yours', 'already-broken')
AND NOT EXISTS (SELECT 1 FROM comparisons AS c JOIN builds AS o ON o.baseline_id = c.baseline_id
    WHERE c.build_id = b.id AND c.failed_again AND o.status = CASE b.verdict WHEN 'yours' THEN 'built' ELSE 'failed' END)
AND NOT EXISTS (SELECT 1 FROM iterations AS i WHERE i.id = b.iteration_id AND i.archived_at IS NOT NULL)`},
	}
}

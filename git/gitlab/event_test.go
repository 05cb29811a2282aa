package gitlab

import (
	"encoding/json"
	"testing"
)

func TestParseEvent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body string
		want Event
		bad  bool
	}{
		"push":            {`{"object_kind":"push","project_id":7,"project":{"id":7,"path_with_namespace":"arch/a"},"after":"x"}`, event(EventPush, 7, "arch/a", 0), false},
		"a pipeline's":    {`{"object_kind":"push","ref":"refs/heads/buildbtw/build-1-a","project":{"id":7,"path_with_namespace":"arch/a"}}`, Event{Kind: EventOther}, false},
		"tag":             {`{"object_kind":"tag_push","project_id":7,"project":{"path_with_namespace":"arch/a"}}`, event(EventPush, 7, "arch/a", 0), false},
		"pipeline":        {`{"object_kind":"pipeline","object_attributes":{"id":99,"status":"success"},"project":{"id":7,"path_with_namespace":"arch/a"}}`, event(EventPipeline, 7, "arch/a", 99), false},
		"job":             {`{"object_kind":"build","build_id":5,"pipeline_id":99,"project_id":7,"project":{"path_with_namespace":"arch/a"}}`, event(EventJob, 7, "arch/a", 99), false},
		"a comment":       {`{"object_kind":"note"}`, Event{Kind: EventOther}, false},
		"no kind":         {`{}`, Event{Kind: EventOther}, false},
		"no JSON":         {`push`, Event{}, true},
		"no project":      {`{"object_kind":"push"}`, Event{}, true},
		"an evil path":    {`{"object_kind":"push","project":{"id":7,"path_with_namespace":"../../etc"}}`, Event{}, true},
		"no pipeline":     {`{"object_kind":"pipeline"}`, Event{}, true},
		"a number of 300": {`{"object_kind":"push","project":{"id":1e300,"path_with_namespace":"a/b"}}`, Event{}, true},
	} {
		got, err := ParseEvent([]byte(test.body))
		if got != test.want || (err != nil) != test.bad {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func event(kind EventKind, id int64, path string, pipeline int64) Event {
	e := Event{Kind: kind, Pipeline: pipeline}
	e.Project.ID, e.Project.Path = id, path
	return e
}

func FuzzParseEvent(f *testing.F) {
	f.Add([]byte(`{"object_kind":"push","project_id":7,"project":{"id":7,"path_with_namespace":"arch/a"}}`))
	f.Add([]byte(`{"object_kind":"build","pipeline_id":-1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := ParseEvent(body)
		if err == nil && e.Kind == EventPush && (e.Project.ID <= 0 || !isProjectPath(e.Project.Path)) {
			t.Errorf("%q gives %+v", body, e)
		}
		if err == nil && !json.Valid(body) {
			t.Errorf("%q is taken", body)
		}
	})
}

package gitlab

import (
	"encoding/json"
	"fmt"
	"strings"

	"buildbtw"
)

// EventKind is the kind of a webhook's event.
type EventKind string

// The kinds that are taken notice of.
const (
	EventPush     EventKind = "push"     // a branch or tag moved, came or went
	EventPipeline EventKind = "pipeline" // a pipeline's status changed
	EventJob      EventKind = "job"      // the status of one of a pipeline's jobs changed
	EventOther    EventKind = "other"    // nothing of interest
)

// Event is the part of a webhook that is trusted: its subject. The state of
// that is queried, because webhooks come late, twice and out of order.
type Event struct {
	Kind     EventKind
	Project  buildbtw.Project // id and path
	Pipeline int64            // EventPipeline and EventJob: the pipeline's number
}

// ParseEvent reads the body of a webhook. Kinds that are not known are of no
// interest and no error.
func ParseEvent(body []byte) (Event, error) {
	var told struct {
		Kind      string `json:"object_kind"`
		ProjectID int64  `json:"project_id"`
		Project   struct {
			ID   int64  `json:"id"`
			Path string `json:"path_with_namespace"`
		} `json:"project"`
		Attributes struct {
			ID int64 `json:"id"`
		} `json:"object_attributes"`
		PipelineID int64  `json:"pipeline_id"`
		Ref        string `json:"ref"`
	}
	if err := json.Unmarshal(body, &told); err != nil {
		return Event{}, fmt.Errorf("read the webhook: %w", err)
	}
	e := Event{Project: buildbtw.Project{ID: max(told.Project.ID, told.ProjectID), Path: told.Project.Path}}
	switch told.Kind {
	case "push", "tag_push":
		if strings.HasPrefix(told.Ref, "refs/heads/"+buildbtw.PipelineRefs) {
			return Event{Kind: EventOther}, nil // our own branch, for a pipeline
		}
		e.Kind = EventPush
	case "pipeline":
		e.Kind, e.Pipeline = EventPipeline, told.Attributes.ID
	case "build":
		e.Kind, e.Pipeline = EventJob, told.PipelineID
	default:
		return Event{Kind: EventOther}, nil
	}
	if e.Kind == EventPush && (e.Project.ID <= 0 || !isProjectPath(e.Project.Path)) || e.Kind != EventPush && e.Pipeline <= 0 {
		return Event{}, fmt.Errorf("read the webhook: a %s event that does not say of what", told.Kind)
	}
	return e, nil
}

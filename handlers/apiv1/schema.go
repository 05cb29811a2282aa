package apiv1

import (
	"encoding/json"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"buildbtw"
)

// schemas collects the JSON schemas of Go types by name.
type schemas struct{ components object }

func newSchemas() *schemas { return &schemas{components: object{}} }

// words gives the values of types that have only a few.
func words() map[reflect.Type]any {
	return map[reflect.Type]any{
		reflect.TypeFor[buildbtw.Status]():           buildbtw.Statuses(),
		reflect.TypeFor[buildbtw.Scope]():            buildbtw.Scopes(),
		reflect.TypeFor[buildbtw.Priority]():         buildbtw.Priorities(),
		reflect.TypeFor[buildbtw.Cycles]():           []buildbtw.Cycles{buildbtw.CyclesOnce, buildbtw.CyclesTwice},
		reflect.TypeFor[buildbtw.BuildspaceStatus](): []buildbtw.BuildspaceStatus{buildbtw.BuildspaceActive, buildbtw.BuildspaceStopped},
	}
}

// of gives the schema of a value's type.
func (s *schemas) of(v any) object { return s.schema(reflect.TypeOf(v)) }

func (s *schemas) schema(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return object{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.schema(t.Elem())
	case reflect.Slice:
		return object{"type": "array", "items": s.schema(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.schema(t.Elem())}
	case reflect.Struct:
		return s.reference(t)
	}
	return scalar(t)
}

func scalar(t reflect.Type) object {
	o := object{}
	switch t.Kind() {
	case reflect.String:
		o["type"] = "string"
	case reflect.Bool:
		o["type"] = "boolean"
	case reflect.Float32, reflect.Float64:
		o["type"] = "number"
	case reflect.Interface:
	default:
		o["type"] = "integer"
	}
	if values, ok := words()[t]; ok {
		o["enum"] = values
	}
	return o
}

// reference describes a struct once and refers to it everywhere, so that types
// may contain themselves.
func (s *schemas) reference(t reflect.Type) object {
	name := componentName(t)
	if _, known := s.components[name]; !known {
		s.components[name] = object{} // stands in while the fields are looked at
		o := object{"type": "object", "properties": object{}}
		required := s.fields(t, o["properties"].(object))
		if len(required) > 0 {
			slices.Sort(required)
			o["required"] = required
		}
		s.components[name] = o
	}
	return object{"$ref": "#/components/schemas/" + name}
}

// fields adds the members of a struct, embedded ones included, and lists those
// that are always there.
func (s *schemas) fields(t reflect.Type, properties object) (required []string) {
	for f := range fieldsOf(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			embedded := f.Type
			if embedded.Kind() == reflect.Pointer {
				embedded = embedded.Elem()
			}
			required = append(required, s.fields(embedded, properties)...)
			continue
		}
		properties[name] = s.schema(f.Type)
		if !strings.Contains(options, "omitempty") {
			required = append(required, name)
		}
	}
	return required
}

func fieldsOf(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if f := t.Field(i); f.Tag.Get("json") != "-" && !yield(f) {
				return
			}
		}
	}
}

// componentName makes "PageBuild" of api.Page[buildbtw/api.Build], and
// "buildgraphBuild" of a type that is not the API's own.
func componentName(t reflect.Type) string {
	outer, inner, _ := strings.Cut(strings.TrimSuffix(t.Name(), "]"), "[")
	name := outer + inner[strings.LastIndex(inner, ".")+1:]
	if p := path.Base(t.PkgPath()); p != "api" && p != "buildbtw" {
		return p + name
	}
	return name
}

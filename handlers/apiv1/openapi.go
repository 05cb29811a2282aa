package apiv1

import (
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/handlers/transfer"
)

// openAPI answers with the description of this API.
func (a *API) openAPI(c *fiber.Ctx) error {
	document, err := a.openapi()
	if err != nil {
		return err
	}
	return transfer.SendTagged(c, fiber.MIMEApplicationJSON, document)
}

// object is a JSON object of the document. encoding/json sorts its members, so
// that the same table gives the same bytes.
type object map[string]any

// describe makes an OpenAPI 3.1 document of the route table; request and answer
// types come from the Go types by reflection.
func (a *API) describe() ([]byte, error) {
	types := &schemas{components: object{}}
	paths := object{}
	for _, t := range a.table() {
		operations, ok := paths[t.path].(object)
		if !ok {
			operations = object{}
			paths[t.path] = operations
		}
		operations[strings.ToLower(t.method)] = t.operation(types)
	}
	document, err := json.MarshalIndent(object{
		"openapi":    "3.1.0",
		"info":       object{"title": "buildbtw", "version": a.Settings.Version},
		"servers":    []object{{"url": api.Prefix}},
		"paths":      paths,
		"components": object{"schemas": types.components},
	}, "", " ")
	if err != nil {
		return nil, fmt.Errorf("describe the API: %w", err)
	}
	return document, nil
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// operation describes one route.
func (t route) operation(types *schemas) object {
	done := object{"description": "done"}
	switch {
	case t.media != "":
		done["content"] = content(t.media, object{"type": "string"})
	case t.answer != nil:
		done["content"] = content(fiber.MIMEApplicationJSON, types.of(t.answer))
	}
	problem := object{"description": "an error", "content": content("application/problem+json", types.of(api.Problem{}))}
	o := object{
		"summary":   t.summary,
		"responses": object{strconv.Itoa(max(t.status, fiber.StatusOK)): done, "default": problem},
	}
	switch t.by {
	case byMachines:
		o["x-listener"] = "machines"
	case byAll:
		o["x-listener"] = "all"
	case byPeople:
		o["x-listener"] = "people"
	}
	var parameters []object
	for _, m := range pathParameter.FindAllStringSubmatch(t.path, -1) {
		parameters = append(parameters, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	parameters = append(parameters, described(t.query, "query")...)
	parameters = append(parameters, described(t.header, "header")...)
	if len(parameters) > 0 {
		o["parameters"] = parameters
	}
	if t.body != nil {
		o["requestBody"] = object{"required": true, "content": content(fiber.MIMEApplicationJSON, types.of(t.body))}
	} else if t.raw {
		o["requestBody"] = object{"required": true, "content": content(fiber.MIMEOctetStream, object{})}
	}
	return o
}

func described(list []parameter, in string) []object {
	var out []object
	for _, p := range list {
		out = append(out, object{"name": p.name, "in": in, "description": p.meaning, "schema": object{"type": "string"}})
	}
	return out
}

func content(media string, schema object) object { return object{media: object{"schema": schema}} }

// schemas collects the JSON schemas of Go types by name.
type schemas struct{ components object }

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
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("json") == "-" {
			continue
		}
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

package apiv1

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

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
	types := newSchemas()
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
	o := object{
		"summary":   t.summary,
		"responses": object{t.okStatus(): t.response(types), "default": problemResponse(types)},
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

func (t route) okStatus() string { return strconv.Itoa(max(t.status, fiber.StatusOK)) }

func (t route) response(types *schemas) object {
	r := object{"description": "done"}
	switch {
	case t.media != "":
		r["content"] = content(t.media, object{"type": "string"})
	case t.answer != nil:
		r["content"] = content(fiber.MIMEApplicationJSON, types.of(t.answer))
	}
	return r
}

func problemResponse(types *schemas) object {
	return object{"description": "an error", "content": content("application/problem+json", types.of(api.Problem{}))}
}

func content(media string, schema object) object { return object{media: object{"schema": schema}} }

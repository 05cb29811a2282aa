package gitlabtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// project is a project as GitLab keeps it. The server's mutex guards it.
type project struct {
	id       int64
	path     string // with all groups above
	ciConfig string
	created  time.Time
	active   time.Time
	archived bool
	role     string // the least one that may set variables of pipelines
	deletion string // day on which it was marked for deletion
}

// The roles that may be the least one to set variables of pipelines, as far as they are
// known here.
const (
	RoleNobody     = "no_one_allowed"
	RoleMaintainer = "maintainer"
)

// activityInterval is how often GitLab writes the time of a project's activity.
const activityInterval = time.Hour

func (s *Server) touch(p *project) {
	if now := s.now(); now.Sub(p.active) >= activityInterval {
		p.active = now
	}
}

// CreateProject makes an empty project with a path such as group/sub/name, and
// gives its id. Its groups need not exist before.
func (s *Server) CreateProject(path string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	now := s.now()
	s.projects[s.nextID] = &project{id: s.nextID, path: path, created: now, active: now, role: RoleMaintainer}
	return s.nextID
}

// MoveProject renames a project or moves it to another group. Its old path
// redirects to the new one until another project takes it.
func (s *Server) MoveProject(id int64, path string) {
	s.change(id, func(p *project) {
		s.moved[p.path] = id
		p.path = path
	})
}

// ArchiveProject archives a project, or brings it back.
func (s *Server) ArchiveProject(id int64, archived bool) {
	s.change(id, func(p *project) {
		p.archived = archived
		p.active = s.now()
	})
}

// DeleteProject deletes a project with its repository.
func (s *Server) DeleteProject(id int64) error {
	s.mu.Lock()
	delete(s.projects, id)
	s.mu.Unlock()
	return os.RemoveAll(s.repository(id))
}

// ScheduleDeletion marks a project for deletion, as GitLab does for a month before it
// deletes one: it is listed under another name.
func (s *Server) ScheduleDeletion(id int64) {
	s.change(id, func(p *project) {
		p.path += "-deletion_scheduled-" + formatID(id)
		p.deletion = s.now().Format(time.DateOnly)
		p.active = s.now()
	})
}

// SetVariablesRole sets the least role that may set variables of a project's pipelines.
func (s *Server) SetVariablesRole(id int64, role string) {
	s.change(id, func(p *project) { p.role = role })
}

// VariablesRole returns the least role that may set variables of a project's pipelines.
func (s *Server) VariablesRole(id int64) (role string) {
	s.change(id, func(p *project) { role = p.role })
	return role
}

// SetActivity sets when a project seems to have been active last.
func (s *Server) SetActivity(id int64, at time.Time) {
	s.change(id, func(p *project) { p.active = at.UTC().Truncate(time.Millisecond) })
}

// CIConfig gives where a project's pipelines are described.
func (s *Server) CIConfig(id int64) (path string) {
	s.change(id, func(p *project) { path = p.ciConfig })
	return path
}

// change does something with a project, if there is one.
func (s *Server) change(id int64, do func(*project)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.projects[id]; p != nil {
		do(p)
	}
}

// repository is where a project's repository lies.
func (s *Server) repository(id int64) string {
	return filepath.Join(s.dir, formatID(id)+".git")
}

func formatID(id int64) string { return strconv.FormatInt(id, 10) }

// find gives the project that a part of an address names: by id, by path, or by
// a path that it had before.
func (s *Server) find(name string) (found project, moved, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, err := strconv.ParseInt(name, 10, 64); err == nil {
		p := s.projects[id]
		return deref(p), false, p != nil
	}
	for _, p := range s.projects {
		if p.path == name {
			return *p, false, true
		}
	}
	p := s.projects[s.moved[name]]
	return deref(p), true, p != nil
}

func deref(p *project) project {
	if p == nil {
		return project{}
	}
	return *p
}

func (s *Server) projectRoutes() {
	s.api("GET /api/v4/groups/{group}/projects", ReadOnly, s.groupProjects)
	s.api("GET /api/v4/projects/{project}", ReadOnly, s.getProject)
	s.api("GET /api/v4/personal_access_tokens/self", ReadOnly, s.getOwnToken)
	s.api("PUT /api/v4/projects/{project}", Everything, s.editProject)
}

// groupProjects lists the projects of a group (GitLab's "List a group's
// projects").
func (s *Server) groupProjects(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	list := s.inGroup(r.PathValue("group"), query.Get("include_subgroups") == "true")
	if len(list) == 0 {
		refuse(w, http.StatusNotFound, "404 Group Not Found")
		return
	}
	if archived := query.Get("archived"); archived != "" {
		list = slices.DeleteFunc(list, func(p project) bool { return strconv.FormatBool(p.archived) != archived })
	}
	byID := func(a, b project) int { return cmp.Compare(a.id, b.id) }
	order := map[string]func(a, b project) int{
		"id":               byID,
		"last_activity_at": func(a, b project) int { return cmp.Or(a.active.Compare(b.active), byID(a, b)) },
		"created_at":       func(a, b project) int { return cmp.Or(a.created.Compare(b.created), byID(a, b)) },
		"path":             func(a, b project) int { return strings.Compare(path.Base(a.path), path.Base(b.path)) },
	}[cmp.Or(query.Get("order_by"), "created_at")]
	if order == nil {
		refuse(w, http.StatusBadRequest, "order_by does not have a valid value")
		return
	}
	slices.SortFunc(list, order)
	if query.Get("sort") != "asc" {
		slices.Reverse(list)
	}
	sendPage(s, w, r, list, s.describe)
}

// inGroup copies the projects of a group.
func (s *Server) inGroup(group string, subgroups bool) []project {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []project
	for _, p := range s.projects {
		if parent := path.Dir(p.path); parent == group || subgroups && strings.HasPrefix(parent, group+"/") {
			list = append(list, *p)
		}
	}
	return list
}

// sendPage answers with one page of a list and with GitLab's headers about the
// others.
func sendPage[T any](s *Server, w http.ResponseWriter, r *http.Request, list []T, describe func(T) any) {
	query := r.URL.Query()
	number := max(atoi(query.Get("page")), 1)
	size := min(cmp.Or(atoi(query.Get("per_page")), 20), s.options.PerPage)
	from := min((number-1)*size, len(list))
	to := min(from+size, len(list))
	header := w.Header()
	header.Set("X-Page", strconv.Itoa(number))
	header.Set("X-Per-Page", strconv.Itoa(size))
	header.Set("X-Total", strconv.Itoa(len(list)))
	header.Set("X-Total-Pages", strconv.Itoa((len(list)+size-1)/size))
	header.Set("X-Next-Page", "")
	if to < len(list) {
		header.Set("X-Next-Page", strconv.Itoa(number+1))
		query.Set("page", strconv.Itoa(number+1))
		header.Set("Link", fmt.Sprintf(`<%s%s?%s>; rel="next"`, s.url, r.URL.EscapedPath(), query.Encode()))
	}
	page := make([]any, 0, to-from)
	for _, v := range list[from:to] {
		page = append(page, describe(v))
	}
	answer(w, http.StatusOK, page)
}

// atoi parses a number; any other text is 0, as in GitLab.
func atoi(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

// describe gives a project as the API shows it.
func (s *Server) describe(p project) any {
	var deletion any
	if p.deletion != "" {
		deletion = p.deletion
	}
	return map[string]any{
		"ci_pipeline_variables_minimum_override_role": p.role, "marked_for_deletion_at": deletion,
		"id": p.id, "name": path.Base(p.path), "path": path.Base(p.path), "path_with_namespace": p.path,
		"namespace":      map[string]any{"full_path": path.Dir(p.path), "kind": "group"},
		"default_branch": "main", "visibility": "public", "archived": p.archived, "ci_config_path": p.ciConfig,
		"http_url_to_repo": s.url + "/" + p.path + ".git", "ssh_url_to_repo": "git@gitlab.invalid:" + p.path + ".git",
		"web_url": s.url + "/" + p.path, "created_at": p.created, "last_activity_at": p.active,
	}
}

func (s *Server) getProject(w http.ResponseWriter, r *http.Request) {
	p, _, ok := s.find(r.PathValue("project"))
	if !ok {
		refuse(w, http.StatusNotFound, "404 Project Not Found")
		return
	}
	answer(w, http.StatusOK, s.describe(p))
}

// editProject changes the settings that are known here (GitLab's "Edit a
// project").
func (s *Server) editProject(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		CIConfigPath  *string `json:"ci_config_path"`
		VariablesRole *string `json:"ci_pipeline_variables_minimum_override_role"`
	}
	if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil {
		refuse(w, http.StatusBadRequest, "400 Bad request - "+err.Error())
		return
	}
	p, _, ok := s.find(r.PathValue("project"))
	if !ok {
		refuse(w, http.StatusNotFound, "404 Project Not Found")
		return
	}
	s.change(p.id, func(p *project) {
		if wanted.CIConfigPath != nil {
			p.ciConfig = *wanted.CIConfigPath
		}
		if wanted.VariablesRole != nil {
			p.role = *wanted.VariablesRole
		}
	})
	s.getProject(w, r)
}

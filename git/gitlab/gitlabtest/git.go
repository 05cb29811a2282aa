package gitlabtest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// gitRoutes serves git's smart HTTP protocol (gitprotocol-http(5)) for every
// project, through git itself.
func (s *Server) gitRoutes() {
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		for suffix, serve := range map[string]func(http.ResponseWriter, *http.Request, project){
			"GET .git/info/refs":         s.advertise,
			"POST .git/git-upload-pack":  s.uploadPack,
			"POST .git/git-receive-pack": s.receivePack,
		} {
			method, end, _ := strings.Cut(suffix, " ")
			name, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/"), end)
			if !ok || r.Method != method {
				continue
			}
			s.gitRequest(w, r, name, serve)
			return
		}
		http.NotFound(w, r)
	})
}

// gitRequest finds the project of a request and asks who may.
func (s *Server) gitRequest(w http.ResponseWriter, r *http.Request, name string, serve func(http.ResponseWriter, *http.Request, project)) {
	has := s.access(r)
	if has == Nothing {
		w.Header().Set("WWW-Authenticate", `Basic realm="GitLab"`)
		http.Error(w, "HTTP Basic: Access denied.", http.StatusUnauthorized)
		return
	}
	p, moved, ok := s.find(name)
	switch {
	case !ok:
		http.Error(w, "The project you were looking for could not be found or you don't have permission to view it.", http.StatusNotFound)
	case moved && r.Method == http.MethodGet:
		http.Redirect(w, r, s.url+"/"+p.path+".git/info/refs?"+r.URL.RawQuery, http.StatusMovedPermanently)
	case isPush(r) && has != Everything:
		http.Error(w, "You are not allowed to push code to this project.", http.StatusForbidden)
	default:
		if err := s.ensureRepository(p.id); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		serve(w, r, p)
	}
}

func isPush(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/git-receive-pack") || r.URL.Query().Get("service") == "git-receive-pack"
}

// advertise sends the list of refs.
func (s *Server) advertise(w http.ResponseWriter, r *http.Request, p project) {
	service := r.URL.Query().Get("service")
	if service == "git-upload-pack" {
		s.noteFetch()
	}
	if service != "git-upload-pack" && service != "git-receive-pack" {
		http.Error(w, "only the smart protocol is spoken here", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/x-"+service+"-advertisement")
	w.Header().Set("Cache-Control", "no-cache")
	first := "# service=" + service + "\n"
	fmt.Fprintf(w, "%04x%s0000", len(first)+4, first)
	s.serveGit(w, r, nil, strings.TrimPrefix(service, "git-"), "--stateless-rpc", "--advertise-refs", s.repository(p.id))
}

// noteFetch counts the beginnings of clones and fetches.
func (s *Server) noteFetch() {
	s.mu.Lock()
	s.fetches++
	s.allFetches++
	n, tell := s.allFetches, s.onFetch
	s.mu.Unlock()
	if tell != nil {
		tell(n)
	}
}

// Fetches gives how many clones and fetches began since it was last called.
func (s *Server) Fetches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.fetches
	s.fetches = 0
	return n
}

// OnFetch calls a function at the beginning of each clone or fetch, with how many
// there were.
func (s *Server) OnFetch(tell func(n int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onFetch = tell
}

// uploadPack sends the objects that a client lacks.
func (s *Server) uploadPack(w http.ResponseWriter, r *http.Request, p project) {
	w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
	s.serveGit(w, r, r.Body, "upload-pack", "--stateless-rpc", s.repository(p.id))
}

// receivePack takes a push, and tells the webhooks of it.
func (s *Server) receivePack(w http.ResponseWriter, r *http.Request, p project) {
	before, err := s.refs(r.Context(), p.id)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-git-receive-pack-result")
	s.serveGit(w, r, r.Body, "receive-pack", "--stateless-rpc", s.repository(p.id))
	s.pushed(context.WithoutCancel(r.Context()), p.id, before)
}

// serveGit lets git answer a request. An error after the answer has begun can
// only break it off, which the client notices.
func (s *Server) serveGit(w http.ResponseWriter, r *http.Request, body io.Reader, args ...string) {
	if body != nil && r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unpacked
	}
	cmd := exec.CommandContext(r.Context(), "git", args...)
	cmd.Env, cmd.Stdin, cmd.Stdout = gitEnv("GIT_PROTOCOL="+r.Header.Get("Git-Protocol")), body, w
	if err := cmd.Run(); err != nil {
		s.log(fmt.Sprintf("git %s: %v", args[0], err))
	}
}

// gitEnv is all that git finds in its environment.
func gitEnv(more ...string) []string {
	return append([]string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=packager", "GIT_AUTHOR_EMAIL=packager@localhost", "GIT_COMMITTER_NAME=packager", "GIT_COMMITTER_EMAIL=packager@localhost",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
	}, more...)
}

// git runs git in a project's repository.
func (s *Server) git(ctx context.Context, id int64, stdin io.Reader, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"--git-dir", s.repository(id)}, args...)...)
	var said bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stderr = gitEnv(), stdin, &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s in project %d: %w: %s", args[0], id, err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// ensureRepository creates the repository of a project that has none yet, with the files
// of "git init --bare".
func (s *Server) ensureRepository(id int64) error {
	dir := s.repository(id)
	if _, err := os.Stat(filepath.Join(dir, "HEAD")); err == nil {
		return nil
	}
	var errs []error
	for _, sub := range []string{"objects", "refs/heads", "refs/tags"} {
		errs = append(errs, os.MkdirAll(filepath.Join(dir, sub), 0o755))
	}
	const config = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n[receive]\n\tdenyDeletes = false\n[http]\n\treceivepack = true\n" +
		"[uploadpack]\n\tallowAnySHA1InWant = true\n"
	errs = append(errs,
		os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o644),
		os.WriteFile(filepath.Join(dir, "HEAD"), []byte("ref: refs/heads/main\n"), 0o644))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("make the repository of project %d: %w", id, err)
	}
	return nil
}

// refs gives the branches and tags of a project.
func (s *Server) refs(ctx context.Context, id int64) (map[string]string, error) {
	if err := s.ensureRepository(id); err != nil {
		return nil, err
	}
	out, err := s.git(ctx, id, nil, "for-each-ref", "--format=%(objectname) %(refname)")
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for line := range strings.Lines(out) {
		object, ref, _ := strings.Cut(strings.TrimSpace(line), " ")
		refs[ref] = object
	}
	return refs, nil
}

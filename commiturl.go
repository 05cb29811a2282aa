package buildbtw

import (
	"net/url"
	"strings"
)

// CommitURL is the address at which a forge shows a commit, with the places {source} and
// {commit}; empty when there is none.
type CommitURL string

const (
	sourcePlace = "{source}"
	commitPlace = "{commit}"

	maxCommitURL = 2000 // bytes
)

// ParseCommitURL checks an address such as https://git.example.org/{source}/commit/{commit}.
// The error is Invalid.
func ParseCommitURL(text string) (CommitURL, error) {
	if len(text) > maxCommitURL {
		return "", Invalid("the address of commits has %d bytes; at most %d are allowed", len(text), maxCommitURL)
	}
	if !strings.Contains(text, commitPlace) {
		return "", Invalid("%.80q does not contain {commit}; write for example https://git.example.org/{source}/commit/{commit}", text)
	}
	rest := strings.NewReplacer(sourcePlace, "", commitPlace, "").Replace(text)
	if strings.ContainsAny(rest, "{}") {
		return "", Invalid("%.80q has other braces than those of {source} and {commit}", text)
	}
	u, err := url.Parse(strings.NewReplacer(sourcePlace, "s", commitPlace, "c").Replace(text))
	switch {
	case err != nil:
		return "", Invalid("%.80q is no address: %w", text, err)
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return "", Invalid("%.80q does not begin with https:// and the name of a server", text)
	case u.User != nil:
		return "", Invalid("the address of commits contains a user name; everybody who looks at a page would see it")
	case strings.ContainsAny(text, " \"<>\\^`|"):
		return "", Invalid("%.80q contains characters that an address may not have", text)
	}
	begin := u.Scheme + "://" + u.Host
	if !strings.HasPrefix(text, begin) {
		return "", Invalid("%.80q has a place in the name of the server; {source} and {commit} may stand after it", text)
	}
	return CommitURL(text), nil
}

// Of returns the address of a commit of a source, or nothing when there is none.
func (u CommitURL) Of(source, commit string) string {
	return strings.NewReplacer(sourcePlace, url.PathEscape(source), commitPlace, url.PathEscape(commit)).Replace(string(u))
}

// GitLabCommitURL returns the address at which a GitLab shows a commit of a project.
func GitLabCommitURL(server, project, commit string) string {
	return strings.TrimRight(server, "/") + (&url.URL{Path: "/" + project}).EscapedPath() + "/-/commit/" + commit
}

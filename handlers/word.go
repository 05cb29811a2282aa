package handlers

import (
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/views"
)

// A form is answered with a redirect to a page, and that page begins, once, with a
// word about what was done. The word waits here for the page, so neither a cookie nor
// the address has it: a link to the page tells others nothing. After a restart it is
// lost, and what was done is in the history.

// saidWord is a word that waits for its page.
type saidWord struct {
	word views.Word
	at   time.Time
}

const (
	waitingWords = 256
	wordLasts    = time.Minute // a browser follows a redirect at once
)

// wordKey names the browser that sends a request, and a page.
func wordKey(c *fiber.Ctx, path string) string {
	return fmt.Sprint(user(c).Name, " ", caller(c).CSRF, " ", path)
}

// seeOtherWith is seeOther to a page that begins with a word.
func (a *App) seeOtherWith(c *fiber.Ctx, url string, word views.Word) error {
	a.words.Put(wordKey(c, url), saidWord{word, a.Now()})
	return seeOther(c, url)
}

// word returns the word about the caller's last form, once, for the top of a page.
func (a *App) word(c *fiber.Ctx) views.Word {
	if c.Method() != fiber.MethodGet || wantsPart(c) {
		return views.Word{}
	}
	key := wordKey(c, c.Path())
	said, ok := a.words.Get(key)
	if !ok {
		return views.Word{}
	}
	a.words.Delete(key)
	if a.Now().Sub(said.at) > wordLasts {
		return views.Word{}
	}
	return said.word
}

// buildWord returns the word after a build was changed, with its new status.
func buildWord(b store.BuildRow, done string) views.Word {
	w := views.Word{Text: fmt.Sprintf("%s %s. It is %s now.", b.Pkgbase, done, b.Status)}
	if b.SkipReason == buildbtw.CauseCancelled && b.CanRetry() == nil {
		w.Undo = views.BuildAction{Label: "Take it back", URL: views.BuildURL(b.ID) + "/retry", Class: "button small"}
	}
	return w
}

// stopWord, startWord, cancelWord and retryWord are told after a buildspace was changed.
func stopWord(_ string, b store.BuildspaceRow) views.Word {
	return views.Word{
		Text: b.Name + " is stopped: nothing of it is built, and pushes start no new iteration.",
		Undo: views.BuildAction{Label: "Take it back", URL: views.BuildspaceURL(b.Name, "start"), Class: "button small"},
	}
}

func startWord(_ string, b store.BuildspaceRow) views.Word {
	return views.Word{Text: b.Name + " is started: its builds go on where they stood."}
}

func cancelWord(name string, n int) views.Word {
	if n == 0 {
		return views.Word{Text: "Nothing was left to cancel."}
	}
	return views.Word{
		Text: "Cancelled " + views.Plural(n, "build") + ".",
		Undo: views.BuildAction{Label: "Retry what was cancelled or failed", URL: views.BuildspaceURL(name, "retry"), Class: "button small"},
	}
}

func retryWord(_ string, n int) views.Word {
	if n == 0 {
		return views.Word{Text: "Nothing was left to retry."}
	}
	return views.Word{Text: views.Plural(n, "build") + " will be built again, as workers are free."}
}

func iterationWord(string, struct{}) views.Word { return views.Word{Text: calculating} }

const calculating = "A new iteration is being calculated; this page shows it when it is there."

package apiv1

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/git/gitlab"
	"buildbtw/handlers/transfer"
)

// maxHook is more than any webhook of interest: a push's lists its newest twenty
// commits with the names of their files.
const maxHook = 4 << 20

func (a *API) webhookRoutes() []route {
	return []route{{
		method: "POST", path: "/webhooks/gitlab", summary: "GitLab tells what happened: push, tag, pipeline and job events",
		handler: a.gitlabWebhook, body: map[string]any{}, status: fiber.StatusAccepted, raw: true,
		header: []parameter{{"X-Gitlab-Token", "the secret of --gitlab-webhook-secret"}},
	}}
}

// gitlabWebhook takes an event. It only wakes a loop, because GitLab waits ten
// seconds for the answer; the same event may come again. What is of no interest is accepted too:
// GitLab switches off webhooks that are refused several times.
func (a *API) gitlabWebhook(c *fiber.Ctx) error {
	if err := a.checkHookSecret(c.Get("X-Gitlab-Token")); err != nil {
		return err
	}
	if err := transfer.ReadBody(c, maxHook); err != nil {
		return err
	}
	event, err := gitlab.ParseEvent(c.Body())
	if err != nil {
		return buildbtw.Invalid("this is no webhook of GitLab: %w", err)
	}
	switch event.Kind {
	case gitlab.EventPush:
		err = a.Forge.HandlePush(c.UserContext(), event.Project)
	case gitlab.EventPipeline, gitlab.EventJob:
		err = a.Forge.HandlePipelineEvent(c.UserContext(), event.Pipeline)
	case gitlab.EventOther:
	}
	if buildbtw.KindOf(err) == buildbtw.KindNotFound {
		a.Log.InfoContext(c.UserContext(), "webhook ignored", "event", event.Kind, "project", event.Project.Path, "why", err)
		err = nil
	}
	if err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusAccepted)
}

// checkHookSecret compares in a time that tells nothing of the secret, not even
// its length.
func (a *API) checkHookSecret(given string) error {
	if a.Settings.WebhookSecret == "" || a.Forge == nil {
		return buildbtw.Forbidden("this server takes no webhooks; see --gitlab-webhook-secret")
	}
	want, got := sha256.Sum256([]byte(a.Settings.WebhookSecret)), sha256.Sum256([]byte(given))
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return buildbtw.Unauthenticated("the webhook's secret is wrong; it is the one of --gitlab-webhook-secret")
	}
	return nil
}

package apiv1

import (
	"github.com/gofiber/fiber/v2"

	"buildbtw/api"
	"buildbtw/handlers/transfer"
)

// maxSignatures bounds a body with signatures, in bytes: 10,000 of RSA with 4096 bits have 10 MB.
const maxSignatures = 16 << 20

// signingList answers with what a signer signs.
func (a *API) signingList(c *fiber.Ctx) error {
	id, err := releaseID(c)
	if err != nil {
		return err
	}
	l, err := a.Handover.SigningList(c.UserContext(), id)
	if err != nil {
		return err
	}
	return send(c, l)
}

// putSignatures stores signatures. Whoever may change anything may send them: they prove
// themselves whose they are.
func (a *API) putSignatures(c *fiber.Ctx) error {
	id, err := releaseID(c)
	if err != nil {
		return err
	}
	if err := transfer.ReadBody(c, maxSignatures); err != nil {
		return err
	}
	s, err := decode[api.Signatures](c)
	if err != nil {
		return err
	}
	p, err := a.Handover.AddSignatures(c.UserContext(), a.User(c).Name, id, s.Signatures)
	if err != nil {
		return err
	}
	return send(c, api.SigningProgress{Files: p.Files, Signed: p.Signed, Databases: p.Databases})
}

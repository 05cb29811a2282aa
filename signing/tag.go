package signing

import "strings"

// SplitTag splits the object of a git tag into what its signature is over, and the signature
// with its armor: of OpenPGP, SSH or X.509. The signature is empty when the tag has none.
func SplitTag(text []byte) (signed []byte, signature string) {
	at, end := -1, 0
	for line := range strings.Lines(string(text)) {
		for _, begin := range []string{"-----BEGIN PGP SIGNATURE-----", "-----BEGIN PGP MESSAGE-----", "-----BEGIN SSH SIGNATURE-----", "-----BEGIN SIGNED MESSAGE-----"} {
			if strings.HasPrefix(line, begin) {
				at = end // the last one counts, as with git: what stands before it is signed, too
			}
		}
		end += len(line)
	}
	if at < 0 {
		return text, ""
	}
	return text[:at], string(text[at:])
}

package store

import "buildbtw"

// PackageFile names an uploaded package as the worker knows it.
type PackageFile struct {
	Filename string
	SHA256   string
}

// Publishing is an attempt whose packages go, or went, into the repositories.
type Publishing struct {
	Attempt       buildbtw.Attempt
	Build         BuildRow
	Architectures []string           // whose repositories get the packages: the build's own and its twins'
	Files         []buildbtw.Package // by file name
	Status        buildbtw.Status    // of the build; built when all of it has been done before
}

// Done reports whether there is nothing left to publish.
func (p Publishing) Done() bool { return p.Attempt.State == buildbtw.AttemptFinished }

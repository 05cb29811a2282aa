package pacmanrepo_test

import (
	"testing"

	"buildbtw"
	"buildbtw/pacman/pacmanrepo"
)

func TestAPackageOfTheRepositorySaysWhatItIs(t *testing.T) {
	t.Parallel()
	r, _ := open(t, pacmanrepo.Options{})
	create(t, r, x86)
	publish(t, r, 1, pkg{name: "foo", version: "1:1.0-1"})
	info, err := r.PkgInfo(repository, x86, "foo-1:1.0-1-x86_64.pkg.tar")
	if err != nil || info.Name != "foo" || info.Version != "1:1.0-1" {
		t.Errorf("%+v, %v", info, err)
	}
	for file, kind := range map[string]buildbtw.Kind{"bar-1-1-any.pkg.tar": buildbtw.KindNotFound, "../x": buildbtw.KindInvalid} {
		_, err := r.PkgInfo(repository, x86, file)
		if err := hasKind(err, kind, ""); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if _, err := r.PkgInfo(repository, x86, "space.db"); err == nil {
		t.Error("a database was taken for a package")
	}
}

package machine

import "testing"

func TestRepositoriesToInstallFrom(t *testing.T) {
	t.Parallel()
	list, err := repositories([]string{"core=https://mirror.example/$repo/os/$arch/", "own=file:///srv/own"})
	if err != nil || len(list) != 2 || list[0].Name != "core" || list[0].URL != "https://mirror.example/$repo/os/$arch" || list[1].URL != "file:///srv/own" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, wrong := range []string{"", "core", "core=", "=http://a", "core=ftp://a/b", "core=file://host/b", "a/b=http://a", "a b=http://a", "core=http://", "core=/srv/own", "core=file:///a\nServer = http://b"} {
		if _, err := repositories([]string{wrong}); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

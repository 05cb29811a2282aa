package handlers

import (
	"fmt"
	"strconv"
	"strings"

	"buildbtw"
	"buildbtw/internal/shell"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
	"buildbtw/views"
)

// recipes tell how to do a build again by hand: the same tree, the packages of
// the iteration, and the same options. All that is put into a command is a name
// that was checked when it came in; it is quoted all the same.
func (a *App) recipes(row store.BuildRow) []views.Recipe {
	repository := buildbtw.RepositoryName(row.Buildspace, row.Iteration)
	conf := strings.TrimSpace(pacmanrepo.PacmanConf(row.Buildspace, a.Settings.ServerURL, repository))
	id := strconv.FormatInt(row.ID, 10)
	return []views.Recipe{
		{ID: "recipe-source", Title: "The source at exactly this commit", Commands: a.sourceRecipe(row, id)},
		{ID: "recipe-chroot", Title: "In a clean chroot, with devtools", Commands: chrootRecipe(row, conf)},
		{ID: "recipe-makepkg", Title: "With makepkg, on a machine for tests", Commands: makepkgRecipe(row, conf)},
		{ID: "recipe-bbtw", Title: "From the command line", Commands: strings.Join([]string{
			"bbtw why " + id, "bbtw log " + id, "bbtw download " + id, "bbtw retry " + id,
		}, "\n")},
	}
}

func (a *App) sourceRecipe(row store.BuildRow, id string) string {
	url := a.Settings.ServerURL + apiPrefix + "/builds/" + id + "/source"
	return fmt.Sprintf(`mkdir %[1]s && cd %[1]s && curl -fsS %[2]s | tar -x
# or in your clone of the source:
git fetch --all && git checkout --detach %[3]s`, shell.Quote(row.Source), shell.Quote(url), row.Commit)
}

// chrootRecipe does what the pkgctl runner does. Sections may stand before
// [options], and the first that has a package wins.
func chrootRecipe(row store.BuildRow, conf string) string {
	program, name, template := "buildbtw-"+row.Architecture+"-build", "buildbtw.conf", "extra.conf"
	if strings.HasPrefix(row.Pkgbase, "lib32-") {
		program, name, template = "multilib-buildbtw-build", "multilib-buildbtw.conf", "multilib.conf"
	}
	more := ""
	if row.NoCheck {
		more = " -- -- --nocheck"
	}
	return fmt.Sprintf(`cat > section.conf <<'END'
%[1]s
END
cat section.conf /usr/share/devtools/pacman.conf.d/%[2]s > pacman.conf
sudo install -m644 pacman.conf /usr/share/devtools/pacman.conf.d/%[3]s
sudo ln -sfn /usr/bin/archbuild /usr/local/bin/%[4]s
SOURCE_DATE_EPOCH=$(stat -c %%Y PKGBUILD) %[4]s -c%[5]s`, conf, template, name, program, more)
}

func makepkgRecipe(row store.BuildRow, conf string) string {
	more := ""
	if row.NoCheck {
		more = " --nocheck"
	}
	return fmt.Sprintf(`# /etc/pacman.conf, before [core]:
%s

sudo pacman -Syu
SOURCE_DATE_EPOCH=$(stat -c %%Y PKGBUILD) makepkg --syncdeps --cleanbuild%s`, conf, more)
}

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/internal/atomicfile"
)

func (a *app) downloadCommand() *cobra.Command {
	var dir, arch string
	cmd := &cobra.Command{
		Use:   "download BUILD | NAME",
		Short: "Download the packages of a build, or of all built ones of a buildspace",
		Long: `Downloads packages and checks each by its digest. What is there already, whole,
is not fetched again.`,
		Example: `  bbtw download curl-openssl-4/curl
  bbtw download curl-openssl-4 --dir /tmp/packages`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			ids, err := buildsOf(cmd.Context(), c, args[0], arch)
			if err != nil {
				return err
			}
			return a.download(cmd.Context(), c, ids, dir)
		},
	}
	cmd.Flags().StringVarP(&dir, "dir", "d", ".", "directory to write to; made if missing")
	cmd.Flags().StringVar(&arch, "arch", "", "architecture, if there are several")
	_ = cmd.MarkFlagDirname("dir") // it is there
	a.completeFlag(cmd, "arch", architectureNames)
	cmd.ValidArgsFunction = a.complete(buildspaceNames, buildNames)
	return cmd
}

// buildsOf returns the ids of one build, or of all built ones of a buildspace.
func buildsOf(ctx context.Context, c *api.Client, name, arch string) ([]string, error) {
	if _, _, isBuild := splitBuild(name); isBuild || isNumber(name) {
		id, err := findBuild(ctx, c, name, arch)
		return []string{id}, err
	}
	builds, err := c.Builds(ctx, api.BuildFilter{Buildspace: name, Architecture: arch, Status: string(buildbtw.StatusBuilt)})
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(builds))
	for i, b := range builds {
		ids[i] = b.ID
	}
	return ids, nil
}

func (a *app) download(ctx context.Context, c *api.Client, ids []string, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	count := 0
	seen := map[string]bool{} // any packages are built once for all architectures
	for _, id := range ids {
		b, err := c.Build(ctx, id)
		if err != nil {
			return err
		}
		for _, p := range b.Packages {
			if seen[p.Filename] {
				continue
			}
			seen[p.Filename] = true
			if err := a.downloadPackage(ctx, c, b.ID, p, dir); err != nil {
				return err
			}
			count++
		}
	}
	if count == 0 {
		return errors.New("nothing to download: nothing is built yet")
	}
	if !a.json {
		fmt.Fprintf(a.out, "%s in %s\n", plural(count, "package"), dir)
	}
	return nil
}

// downloadPackage writes one package beside its place and renames it when its
// digest is right.
func (a *app) downloadPackage(ctx context.Context, c *api.Client, build string, p api.Package, dir string) error {
	target := filepath.Join(dir, filepath.Base(p.Filename))
	if whole(target, p) {
		return nil
	}
	err := atomicfile.Write(target, 0o644, func(w io.Writer) error {
		if isLively(a.errors) && !a.json {
			bar := progressbar.DefaultBytes(p.Size, p.Filename)
			defer func() { _ = bar.Close() }() // only looks suffer
			w = io.MultiWriter(w, bar)
		}
		return c.DownloadPackage(ctx, build, p, w)
	})
	if err == nil && a.json {
		err = a.printJSON(p)
	}
	return err
}

// whole reports whether the file exists with the package's digest.
func whole(name string, p api.Package) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, f); err != nil {
		return false
	}
	return hex.EncodeToString(digest.Sum(nil)) == p.SHA256
}

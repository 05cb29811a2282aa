package main

import (
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"slices"
)

// paletteSize is how many colours a PNG with a palette can have.
const paletteSize = 256

// shrink rewrites a PNG with its commonest colours as a palette, which makes
// pictures of pages, flat areas and text, a third as large.
func shrink(path string) error {
	full, err := readPNG(path)
	if err != nil {
		return err
	}
	colours := frequent(full)
	small := image.NewPaletted(full.Bounds(), colours)
	nearest := map[color.RGBA]uint8{}
	for y := full.Bounds().Min.Y; y < full.Bounds().Max.Y; y++ {
		for x := full.Bounds().Min.X; x < full.Bounds().Max.X; x++ {
			c := rgba(full.At(x, y))
			i, known := nearest[c]
			if !known {
				i = uint8(colours.Index(c)) // #nosec G115 -- a palette has 256 colours
				nearest[c] = i
			}
			small.SetColorIndex(x, y, i)
		}
	}
	return writePNG(path, small)
}

// The commonest colours are kept as they are. Each further one stands for those
// near it, in squared steps of red, green and blue: otherwise the shades of
// common letters would crowd out the colour of a thin line.
const (
	kept  = 100
	alike = 3 * 10 * 10
)

// frequent returns the most frequent colours of a picture. After the first
// ones, those near a chosen one are left out.
func frequent(picture image.Image) color.Palette {
	counts := map[color.RGBA]int{}
	for y := picture.Bounds().Min.Y; y < picture.Bounds().Max.Y; y++ {
		for x := picture.Bounds().Min.X; x < picture.Bounds().Max.X; x++ {
			counts[rgba(picture.At(x, y))]++
		}
	}
	all := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	var chosen []color.RGBA
	for _, c := range all {
		near := func(o color.RGBA) bool { return distance(c, o) < alike }
		if len(chosen) < kept || len(chosen) < paletteSize && !slices.ContainsFunc(chosen, near) {
			chosen = append(chosen, c)
		}
	}
	palette := make(color.Palette, 0, len(chosen))
	for _, c := range chosen {
		palette = append(palette, c)
	}
	return palette
}

func rgba(c color.Color) color.RGBA { return color.RGBAModel.Convert(c).(color.RGBA) }

func distance(a, b color.RGBA) int {
	square := func(x, y uint8) int { return (int(x) - int(y)) * (int(x) - int(y)) }
	return square(a.R, b.R) + square(a.G, b.G) + square(a.B, b.B)
}

func readPNG(path string) (image.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return picture, nil
}

func writePNG(path string, picture image.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(f, picture); err != nil {
		_ = f.Close() // the first error counts
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}

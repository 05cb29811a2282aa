package alpm

import (
	"bytes"
	"iter"
)

// DescLines assigns the lines of a database's desc (also depends) to fields, in
// order. A field is a header line, %NAME%, at the beginning of the text or
// after an empty line; all lines from there to the next empty line are its
// values, even those that look like a header. The zero value stands at the
// beginning.
type DescLines struct {
	field  string
	inside bool // since the last empty line there was one that is not empty
}

// Value reads the next line, without its end. It returns the field, without
// percent signs, of which the line is a value, or "" for headers, empty lines,
// and lines outside of any field.
func (d *DescLines) Value(line []byte) (field string) {
	switch {
	case len(line) == 0:
		*d = DescLines{}
		return ""
	case d.inside:
		return d.field
	}
	d.inside = true
	if isDescHeader(line) {
		d.field = string(line[1 : len(line)-1])
	}
	return ""
}

// DescValues returns the values of a desc with their fields, in order.
func DescValues(text []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		var lines DescLines
		for line := range bytes.Lines(text) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			if field := lines.Value(line); field != "" && !yield(field, line) {
				return
			}
		}
	}
}

// isDescHeader reports whether a line has the form of a field's header.
func isDescHeader[T string | []byte](line T) bool {
	if len(line) < len("%A%") || line[0] != '%' || line[len(line)-1] != '%' {
		return false
	}
	for i := 1; i < len(line)-1; i++ {
		if c := line[i]; (c < 'A' || c > 'Z') && !isDigit(c) {
			return false
		}
	}
	return true
}

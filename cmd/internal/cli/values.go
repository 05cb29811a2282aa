package cli

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A flag with a number, a time or one of some words refuses what it cannot mean when it
// is read, from the command line as from the environment: no command has to check, and
// none forgets to. CheckFlags finds flags that have no such bounds.

// Number adds a flag with a whole number from least to most.
func Number(flags *pflag.FlagSet, p *int, name string, value, least, most int, usage string) {
	ShortNumber(flags, p, name, "", value, least, most, usage)
}

// ShortNumber is Number with a short name of one letter.
func ShortNumber(flags *pflag.FlagSet, p *int, name, short string, value, least, most int, usage string) {
	*p = value
	flags.VarP(&bounded[int]{value: p, least: least, most: most, kind: "int", parse: strconv.Atoi, write: strconv.Itoa}, name, short, usage)
}

// Many is a bound for numbers that have no natural one.
const Many = 1_000_000_000

// Time adds a flag with a duration from least to most.
func Time(flags *pflag.FlagSet, p *time.Duration, name string, value, least, most time.Duration, usage string) {
	*p = value
	flags.Var(&bounded[time.Duration]{value: p, least: least, most: most, kind: "duration", parse: time.ParseDuration, write: time.Duration.String}, name, usage)
}

// Long is a bound for durations that have no natural one.
const Long = 10 * 365 * 24 * time.Hour

// Share adds a flag with a number from 0 to 1.
func Share(flags *pflag.FlagSet, p *float64, name string, value float64, usage string) {
	*p = value
	flags.Var(&bounded[float64]{
		value: p, least: 0, most: 1, kind: "share",
		parse: func(s string) (float64, error) {
			n, err := strconv.ParseFloat(s, 64)
			if math.IsNaN(n) {
				err = strconv.ErrSyntax
			}
			return n, err
		},
		write: func(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) },
	}, name, usage)
}

// bounded is the value of a flag that lies between two others.
type bounded[T int | time.Duration | float64] struct {
	value       *T
	least, most T
	kind        string
	parse       func(string) (T, error)
	write       func(T) string
}

func (b *bounded[T]) String() string {
	if b.value == nil { // pflag asks a zero value what a flag's default would be
		return ""
	}
	return b.write(*b.value)
}

func (b *bounded[T]) Type() string { return b.kind }

func (b *bounded[T]) Set(text string) error {
	n, err := b.parse(text)
	switch {
	case err != nil && b.kind == "duration":
		return fmt.Errorf("%q is no duration; write it like 90s, 15m or 2h", text)
	case err != nil:
		return fmt.Errorf("%q is no number", text)
	case n < b.least:
		return fmt.Errorf("%s is too small: at least %s", text, b.write(b.least))
	case n > b.most:
		return fmt.Errorf("%s is too large: at most %s", text, b.write(b.most))
	}
	*b.value = n
	return nil
}

// Word adds a flag with one of some words. Shells complete them.
func Word[T ~string](flags *pflag.FlagSet, p *T, name string, value T, usage string, words ...T) {
	ShortWord(flags, p, name, "", value, usage, words...)
}

// ShortWord is Word with a short name of one letter.
func ShortWord[T ~string](flags *pflag.FlagSet, p *T, name, short string, value T, usage string, words ...T) {
	*p = value
	flags.VarP(&word[T]{value: p, words: words}, name, short, usage)
}

// word is the value of a flag that is one of some words.
type word[T ~string] struct {
	value *T
	words []T
}

func (w *word[T]) String() string {
	if w.value == nil {
		return ""
	}
	return string(*w.value)
}

func (w *word[T]) Type() string { return "word" }

func (w *word[T]) Set(text string) error {
	if !slices.Contains(w.words, T(text)) {
		return fmt.Errorf("%q is none of %s", text, Either(w.choices()))
	}
	*w.value = T(text)
	return nil
}

func (w *word[T]) choices() []string {
	list := make([]string, len(w.words))
	for i, s := range w.words {
		list[i] = string(s)
	}
	return list
}

// Words adds a flag with one or more of some words, separated by commas.
func Words(flags *pflag.FlagSet, p *string, name, usage string, choices ...string) {
	flags.Var(&words{value: p, of: choices}, name, usage)
}

// words is the value of a flag that is a list of some words.
type words struct {
	value *string
	of    []string
}

func (w *words) String() string {
	if w.value == nil {
		return ""
	}
	return *w.value
}

func (w *words) Type() string { return "words" }

func (w *words) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		if !slices.Contains(w.of, part) {
			return fmt.Errorf("%q is none of %s", part, Either(w.of))
		}
	}
	*w.value = text
	return nil
}

func (w *words) choices() []string { return w.of }

// Numbers adds a flag, which may be repeated, with numbers from 0 on for names: NAME=N.
func Numbers(flags *pflag.FlagSet, p *map[string]int, name, usage string) {
	flags.Var((*numbers)(p), name, usage)
}

// numbers is the value of a flag with numbers for names.
type numbers map[string]int

func (n *numbers) String() string {
	list := make([]string, 0, len(*n))
	for _, name := range slices.Sorted(maps.Keys(*n)) {
		list = append(list, name+"="+strconv.Itoa((*n)[name]))
	}
	return strings.Join(list, ",")
}

func (n *numbers) Type() string { return "name=number" }

func (n *numbers) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(part, "=")
		number, err := strconv.Atoi(value)
		if !ok || name == "" || err != nil || number < 0 || number > Many {
			return fmt.Errorf("%q is not NAME=N with a number from 0 on", part)
		}
		if *n == nil {
			*n = numbers{}
		}
		(*n)[name] = number
	}
	return nil
}

// Either writes a list of choices: "a, b or c".
func Either(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " or " + list[len(list)-1]
}

// completeWords makes shells complete the words of the command's flags.
func completeWords(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		w, ok := f.Value.(interface{ choices() []string })
		if !ok {
			return
		}
		// It fails where the command has registered a function of its own.
		_ = cmd.RegisterFlagCompletionFunc(f.Name, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			before := ""
			if i := strings.LastIndexByte(typed, ','); i >= 0 && f.Value.Type() == "words" {
				before = typed[:i+1]
			}
			list := slices.Clone(w.choices())
			for i := range list {
				list[i] = before + list[i]
			}
			return list, cobra.ShellCompDirectiveNoFileComp
		})
	})
}

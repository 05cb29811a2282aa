package views

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"buildbtw"
)

// Feed is an Atom feed (RFC 4287).
type Feed struct {
	ID       string // never changes
	Title    string
	Subtitle string
	Page     string // address of what it is about
	Self     string // its own address
	Updated  time.Time
	Entries  []FeedEntry // newest first
}

// FeedEntry is one piece of news.
type FeedEntry struct {
	ID      string // never changes
	Title   string
	Summary string
	Page    string
	Author  string
	Updated time.Time
}

// The document as encoding/xml writes it.
type (
	atomFeed struct {
		XMLName  xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
		ID       string      `xml:"id"`
		Title    string      `xml:"title"`
		Subtitle string      `xml:"subtitle,omitempty"`
		Updated  string      `xml:"updated"`
		Author   atomPerson  `xml:"author"`
		Links    []atomLink  `xml:"link"`
		Entries  []atomEntry `xml:"entry"`
	}
	atomEntry struct {
		ID      string     `xml:"id"`
		Title   string     `xml:"title"`
		Updated string     `xml:"updated"`
		Author  atomPerson `xml:"author"`
		Link    atomLink   `xml:"link"`
		Summary string     `xml:"summary"`
	}
	atomPerson struct {
		Name string `xml:"name"`
	}
	atomLink struct {
		Rel  string `xml:"rel,attr"`
		Type string `xml:"type,attr"`
		Href string `xml:"href,attr"`
	}
)

// XML writes the feed as a document. Text of others is escaped; what no XML
// document may hold becomes U+FFFD.
func (f Feed) XML() ([]byte, error) {
	doc := atomFeed{
		ID: f.ID, Title: f.Title, Subtitle: f.Subtitle, Updated: atomTime(f.Updated), Author: atomPerson{buildbtw.System},
		Links: []atomLink{{"self", "application/atom+xml", f.Self}, {"alternate", "text/html", f.Page}},
	}
	for _, e := range f.Entries {
		doc.Entries = append(doc.Entries, atomEntry{
			ID: e.ID, Title: e.Title, Updated: atomTime(e.Updated), Author: atomPerson{e.Author},
			Link: atomLink{"alternate", "text/html", e.Page}, Summary: e.Summary,
		})
	}
	body, err := xml.MarshalIndent(doc, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write feed %s: %w", f.ID, err)
	}
	return append([]byte(xml.Header), append(body, '\n')...), nil
}

func atomTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// CountWords says how many builds there are of each status.
func CountWords(counts buildbtw.Counts) string {
	var list []string
	for _, status := range progressOrder() {
		if n := counts[status]; n > 0 {
			list = append(list, Count(n)+" "+string(status))
		}
	}
	if len(list) == 0 {
		return "No builds."
	}
	return Plural(counts.Total(), "build") + ": " + strings.Join(list, ", ") + "."
}

// The badge's measures, in pixels. Letters of its font are as wide as this on
// average, and the text is fitted to the room that they are given.
const (
	badgeHeight  = 20
	badgeLetter  = 7
	badgePadding = 12
	badgeName    = 40 // letters of the name at most
)

// BadgeSVG draws a name with a status beside it. The words are in the title too,
// for those who do not see it.
func BadgeSVG(name string, status buildbtw.IterationStatus, counts buildbtw.Counts) []byte {
	words := string(status)
	if status == buildbtw.IterationStatusBuilding {
		words += fmt.Sprintf(" %s/%s", Count(counts[buildbtw.StatusBuilt]), Count(counts.Total()))
	}
	if n := counts[buildbtw.StatusFailed]; n > 0 {
		words = Count(n) + " failed"
		if status == buildbtw.IterationStatusBuilding {
			words += ", building"
		}
	}
	label := name
	if utf8.RuneCountInString(label) > badgeName {
		label = string([]rune(label)[:badgeName-1]) + "…"
	}
	left, right := badgeWidth(label), badgeWidth(words)
	title := escapeXML(name + ": " + words)
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" role="img" aria-label="%[3]s"><title>%[3]s</title>`+
		`<rect width="%[1]d" height="%[2]d" rx="3" fill="#2b3036"/><path d="M%[4]d 0h%[5]da3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-%[5]dz" fill="%[6]s"/>`+
		`<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">`+
		`<text x="%[7]d" y="14" textLength="%[8]d">%[9]s</text><text x="%[10]d" y="14" textLength="%[11]d">%[12]s</text></g></svg>`+"\n",
		left+right, badgeHeight, title, left, right-3, badgeColour(status, counts),
		left/2, left-badgePadding, escapeXML(label), left+right/2, right-badgePadding, escapeXML(words))
}

func badgeWidth(text string) int { return utf8.RuneCountInString(text)*badgeLetter + badgePadding }

// badgeColour gives backgrounds on which white is read well.
func badgeColour(status buildbtw.IterationStatus, counts buildbtw.Counts) string {
	switch {
	case counts[buildbtw.StatusFailed] > 0, status == buildbtw.IterationStatusFailed, status == buildbtw.IterationStatusInvalid:
		return "#b92318"
	case status == buildbtw.IterationStatusBuilt:
		return "#1a7431"
	case status == buildbtw.IterationStatusBuilding, status == buildbtw.IterationStatusCalculating:
		return "#0a67a0"
	}
	return "#58646f"
}

func escapeXML(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a strings.Builder never fails
	}
	return b.String()
}

package buildbtw

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
)

// Names is a list of names, stored as a JSON array.
type Names []string

// Value implements driver.Valuer.
func (n Names) Value() (driver.Value, error) {
	if n == nil {
		return "[]", nil
	}
	return jsonValue([]string(n))
}

// Scan implements sql.Scanner. Most lists are empty, and a graph has tens of
// thousands of them.
func (n *Names) Scan(src any) error {
	if src == "[]" {
		*n = Names{}
		return nil
	}
	return scanJSON(src, (*[]string)(n))
}

// listedNames is how many names a sentence lists before it counts the rest.
const listedNames = 5

// Summary lists at most five names, and counts the others: "a, b, c, d, e and 7 more".
func (n Names) Summary() string {
	if len(n) <= listedNames {
		return strings.Join(n, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(n[:listedNames], ", "), len(n)-listedNames)
}

func jsonValue(v any) (driver.Value, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func scanJSON(src, dst any) error {
	switch v := src.(type) {
	case string:
		return json.Unmarshal([]byte(v), dst)
	case []byte:
		return json.Unmarshal(v, dst)
	case nil:
		return nil
	}
	return fmt.Errorf("scan %T into %T", src, dst)
}

package store

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/jmoiron/sqlx"
)

// openOne opens a database with one connection, so that every statement is kept
// by the same one.
func openOne(t *testing.T) *sqlx.DB {
	t.Helper()
	db, err := openDB(dsn(filepath.Join(t.TempDir(), "db.sqlite"), "_pragma=journal_mode(WAL)"))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return sqlx.NewDb(db, "sqlite3")
}

func kept(t *testing.T, db *sqlx.DB) (n int) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Raw(func(driver any) error {
		c := driver.(*keepingConn)
		if n = c.recent.Len(); n != len(c.idle) {
			return fmt.Errorf("%d statements in order, %d by text", n, len(c.idle))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAStatementMayBeUnderWayTwice(t *testing.T) {
	db := openOne(t)
	tx := db.MustBeginTx(t.Context(), nil)
	defer tx.Rollback()
	const query = `SELECT value FROM json_each(?) ORDER BY value`
	rows, err := tx.Query(query, "[1,2,3]")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []int
	for rows.Next() {
		var outer int
		var inner []int
		if err := rows.Scan(&outer); err != nil {
			t.Fatal(err)
		}
		if err := tx.Select(&inner, query, fmt.Sprintf("[%d,%d]", 10*outer, 10*outer+1)); err != nil {
			t.Fatal(err)
		}
		got = append(append(got, outer), inner...)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if want := []int{1, 10, 11, 2, 20, 21, 3, 30, 31}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestStatementsAreKeptOnceAndInBounds(t *testing.T) {
	db := openOne(t)
	for range 3 {
		var n int
		if err := db.Get(&n, `SELECT ? + 1`, 1); err != nil || n != 2 {
			t.Fatal(n, err)
		}
		if _, err := db.Exec(`SELECT 1`); err != nil { // without values: not kept
			t.Fatal(err)
		}
	}
	if n := kept(t, db); n != 1 {
		t.Errorf("%d statements are kept, want 1", n)
	}
	for i := range maxStatements + 10 {
		var n int
		if err := db.Get(&n, fmt.Sprintf(`SELECT ? + %d`, i), 1); err != nil || n != i+1 {
			t.Fatal(n, err)
		}
	}
	if n := kept(t, db); n != maxStatements {
		t.Errorf("%d statements are kept, want %d", n, maxStatements)
	}
}

func TestAStatementThatFailedCanBeUsedAgain(t *testing.T) {
	db := openOne(t)
	db.MustExec(`CREATE TABLE t (n INTEGER PRIMARY KEY)`)
	insert := func(n int) error {
		_, err := db.Exec(`INSERT INTO t (n) VALUES (?)`, n)
		return err
	}
	if err := insert(1); err != nil {
		t.Fatal(err)
	}
	if err := insert(1); err == nil {
		t.Fatal("the same key was inserted twice")
	}
	db.MustExec(`ALTER TABLE t ADD COLUMN more TEXT`) // what is kept is read anew by SQLite
	if err := insert(2); err != nil {
		t.Fatal(err)
	}
	var all []int
	if err := db.Select(&all, `SELECT n FROM t WHERE n > ? ORDER BY n`, 0); err != nil || !slices.Equal(all, []int{1, 2}) {
		t.Error(all, err)
	}
}

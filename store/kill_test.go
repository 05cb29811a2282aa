package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"modernc.org/sqlite"

	"buildbtw/store"
	"buildbtw/store/storetest"
)

// killedAt is the variable by which TestMain is told to open a database and to die, by kill -9,
// in the transaction of its migrations.
const killedAt = "BUILDBTW_TEST_MIGRATED"

// openToDie opens the database that the environment names. A trigger in it calls the function
// die_here in the transaction of the migrations.
func openToDie(path string) int {
	err := sqlite.RegisterScalarFunction("die_here", 0, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
		return nil, syscall.Kill(os.Getpid(), syscall.SIGKILL)
	})
	if err == nil {
		var s *store.Store
		if s, err = store.Open(context.Background(), path, store.Options{Log: slog.New(slog.DiscardHandler)}); err == nil {
			err = s.Close()
		}
	}
	fmt.Fprintln(os.Stderr, "it was not killed:", err)
	return 1
}

// TestAKilledMigrationBeginsAnew has a process migrate a real older database and kills it with
// kill -9 inside the transaction: after the first migration, after some, and after the last one,
// when most of it is on the disk and only the commit is missing. Each time the next start finds
// the database as it was, the copy of before is whole, and in the end all goes on.
func TestAKilledMigrationBeginsAnew(t *testing.T) {
	t.Parallel()
	newest, err := store.NewestSchema()
	if err != nil {
		t.Fatal(err)
	}
	const commit = "81c9edd" // an event is a row there: migration 19 writes all of them anew
	path := storetest.Unpack(t, "testdata/"+commit+".sqlite.gz")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	before, err := store.CheckFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), "CREATE TABLE ballast (x)")
	must(t, err)
	want, err := contents(t.Context(), db)
	must(t, err)
	for i, point := range []int{before + 1, (before + newest) / 2, newest} {
		grow := ""
		if point == newest { // beyond SQLite's cache, so that uncommitted pages are on the disk
			grow = "INSERT INTO ballast SELECT randomblob(4000) FROM events AS a, events AS b, events AS c LIMIT 12000;"
		}
		trigger := fmt.Sprintf("CREATE TRIGGER die AFTER INSERT ON schema_migrations WHEN NEW.version = %d BEGIN %s SELECT die_here(); END", point, grow)
		_, err := db.ExecContext(t.Context(), trigger)
		must(t, err)
		must(t, db.Close()) // what another process finds has no connections
		killed := exec.CommandContext(t.Context(), os.Args[0])
		killed.Env = append(os.Environ(), killedAt+"="+path)
		var said bytes.Buffer
		killed.Stderr = &said
		var exit *exec.ExitError
		if err := killed.Run(); !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() {
			t.Fatalf("at migration %d: %v, %s", point, err, said.String())
		}
		if info, err := os.Stat(path + "-wal"); err != nil || point == newest && info.Size() < 1<<20 {
			t.Errorf("at migration %d nothing of the transaction was on the disk: %v, %v", point, info, err)
		}
		if schema, err := store.CheckFile(t.Context(), path); err != nil || schema != before {
			t.Errorf("killed at migration %d: schema %d, %v; want %d", point, schema, err, before)
		}
		copies, err := filepath.Glob(filepath.Join(filepath.Dir(path), store.MigrationCopies, "*"))
		must(t, err)
		if len(copies) != 1 || !strings.Contains(copies[0], fmt.Sprintf("-schema-%04d.sqlite", before)) {
			t.Errorf("after kill %d the copies are %v", i+1, copies)
		}
		for _, file := range append(copies, path) {
			if db, err = sql.Open("sqlite", file); err != nil {
				t.Fatal(err)
			}
			_, err := db.ExecContext(t.Context(), "DROP TRIGGER die")
			must(t, err)
			got, err := contents(t.Context(), db)
			must(t, err)
			if got != want {
				t.Errorf("killed at migration %d: %s has other rows: %s, want %s", point, filepath.Base(file), got, want)
			}
			if file != path {
				must(t, db.Close())
			}
		}
	}
	_, err = db.ExecContext(t.Context(), "DROP TABLE ballast")
	must(t, errors.Join(err, db.Close()))
	oldDatabaseGoesOn(t, storetest.Over(t, path), olderVersion{named: true})
}

// contents returns how many rows each table has, and what a checksum of some says.
func contents(ctx context.Context, db *sql.DB) (string, error) {
	rows, err := db.QueryContext(ctx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return "", err
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return "", err
	}
	var text strings.Builder
	for _, name := range names {
		var n int
		if err := db.QueryRowContext(ctx, "SELECT count(*) FROM "+name).Scan(&n); err != nil {
			return "", err
		}
		fmt.Fprintf(&text, "%s %d, ", name, n)
	}
	var sum int64
	err = db.QueryRowContext(ctx, "SELECT sum(id * length(message)) FROM events").Scan(&sum)
	return text.String() + strconv.FormatInt(sum, 10), err
}

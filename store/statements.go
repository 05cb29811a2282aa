package store

import (
	"container/list"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"modernc.org/sqlite"
)

// maxStatements bounds what a connection keeps; the store has some hundred
// statements with bound values.
const maxStatements = 256

// openDB is sql.Open with connections that keep their statements: SQLite takes
// longer to read most of ours than to carry them out.
func openDB(dsn string) (*sql.DB, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(keepingConnector{c}), nil
}

type keepingConnector struct{ driver.Connector }

func (c keepingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := inner.(sqliteConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver's connection (%T) lacks methods that statements are kept with", inner), inner.Close())
	}
	return &keepingConn{sqliteConn: conn, idle: map[string]*list.Element{}}, nil
}

// sqliteConn is what the driver's connections can do and database/sql asks for.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// keepingConn keeps the statements that have bound values. Others are not worth
// it: bun puts values into the text, so that hardly one comes twice.
// database/sql uses a connection from one goroutine at a time.
type keepingConn struct {
	sqliteConn
	idle   map[string]*list.Element // by text, of idle statements only
	recent list.List                // of *keptStmt; used last first
}

// keptStmt is a statement that is either idle or taken, so that one text may be
// under way twice on a connection.
type keptStmt struct {
	text string
	stmt sqliteStmt
}

type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// ExecContext implements driver.ExecerContext.
func (c *keepingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) == 0 {
		return c.sqliteConn.ExecContext(ctx, query, args)
	}
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	result, err := s.stmt.ExecContext(ctx, args)
	if err != nil {
		return nil, errors.Join(err, s.stmt.Close())
	}
	return result, c.giveBack(s)
}

// QueryContext implements driver.QueryerContext.
func (c *keepingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) == 0 {
		return c.sqliteConn.QueryContext(ctx, query, args)
	}
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := s.stmt.QueryContext(ctx, args)
	if err != nil {
		return nil, errors.Join(err, s.stmt.Close())
	}
	return &keptRows{Rows: rows, conn: c, stmt: s}, nil
}

func (c *keepingConn) take(ctx context.Context, query string) (*keptStmt, error) {
	if e := c.idle[query]; e != nil {
		delete(c.idle, query)
		return c.recent.Remove(e).(*keptStmt), nil
	}
	prepared, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	stmt, ok := prepared.(sqliteStmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver's statement (%T) lacks methods that it is kept with", prepared), prepared.Close())
	}
	return &keptStmt{query, stmt}, nil
}

// giveBack keeps a statement for the next time; of two with the same text, one.
func (c *keepingConn) giveBack(s *keptStmt) error {
	if c.idle[s.text] != nil {
		return s.stmt.Close()
	}
	c.idle[s.text] = c.recent.PushFront(s)
	if c.recent.Len() <= maxStatements {
		return nil
	}
	oldest := c.recent.Remove(c.recent.Back()).(*keptStmt)
	delete(c.idle, oldest.text)
	return oldest.stmt.Close()
}

// Close finalizes what is kept; SQLite would not let go of the file before.
func (c *keepingConn) Close() error {
	var errs []error
	for e := c.recent.Front(); e != nil; e = e.Next() {
		errs = append(errs, e.Value.(*keptStmt).stmt.Close())
	}
	c.recent.Init()
	clear(c.idle)
	return errors.Join(append(errs, c.sqliteConn.Close())...)
}

// keptRows gives the statement back when the rows have been read.
type keptRows struct {
	driver.Rows
	conn *keepingConn
	stmt *keptStmt
}

// Close implements driver.Rows.
func (r *keptRows) Close() error {
	if r.stmt == nil {
		return nil
	}
	s := r.stmt
	r.stmt = nil
	if err := r.Rows.Close(); err != nil {
		return errors.Join(err, s.stmt.Close())
	}
	return r.conn.giveBack(s)
}

package main

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver
)

// sqliteStore is a table of SQLite, written by one connection in groups.
type sqliteStore struct {
	*group
	db     *sql.DB
	conn   *sql.Conn
	insert *sql.Stmt
	next   []int // number of each client; nil: one sequence for all
}

// openSQLite opens a store whose key is client and number: of channels, so that
// each can be read from any place. Or one whose key is a sequence for all: of
// one channel, to which all clients publish.
func openSQLite(byClient bool) func(string, int) (store, error) {
	return func(dir string, clients int) (store, error) {
		query := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "wal_autocheckpoint(10000)"}}
		db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "sqlite.db")+"?"+query.Encode())
		if err != nil {
			return nil, err
		}
		s := &sqliteStore{db: db}
		if byClient {
			s.next = make([]int, clients)
		}
		ctx := context.Background()
		if s.conn, err = db.Conn(ctx); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		if err := s.prepare(ctx); err != nil {
			return nil, errors.Join(err, s.conn.Close(), db.Close())
		}
		s.group = newGroup(clients, s.commit)
		return s, nil
	}
}

func (s *sqliteStore) prepare(ctx context.Context) (err error) {
	table := "CREATE TABLE messages (n INTEGER PRIMARY KEY, client INTEGER, data BLOB)"
	if s.next != nil {
		table = "CREATE TABLE messages (n INTEGER, client INTEGER, data BLOB, PRIMARY KEY (client, n)) WITHOUT ROWID"
	}
	if _, err = s.conn.ExecContext(ctx, table); err == nil {
		s.insert, err = s.conn.PrepareContext(ctx, "INSERT INTO messages (n, client, data) VALUES (?, ?, ?)")
	}
	return err
}

// commit keeps a group in one transaction.
func (s *sqliteStore) commit(orders []order) error {
	ctx := context.Background()
	if _, err := s.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, o := range orders {
		var n any // null: the table counts
		if s.next != nil {
			s.next[o.client]++
			n = s.next[o.client]
		}
		if _, err := s.insert.ExecContext(ctx, n, o.client, o.data); err != nil {
			return err
		}
	}
	_, err := s.conn.ExecContext(ctx, "COMMIT")
	return err
}

func (s *sqliteStore) count() (n int, err error) {
	err = s.conn.QueryRowContext(context.Background(), "SELECT count(*) FROM messages").Scan(&n)
	return n, err
}

func (s *sqliteStore) close() error {
	s.group.close()
	return errors.Join(s.insert.Close(), s.conn.Close(), s.db.Close())
}

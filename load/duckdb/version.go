package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/marcboeker/go-duckdb"
)

// Version is that of the DuckDB that is linked in, as v1.1.3: what it says itself.
func Version(ctx context.Context) (version string, err error) {
	connector, err := duckdb.NewConnector("?autoinstall_known_extensions=false&autoload_known_extensions=false&threads=1", nil)
	if err != nil {
		return "", fmt.Errorf("start DuckDB: %w", err)
	}
	db := sql.OpenDB(connector) // which closes the connector with it
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.QueryRowContext(ctx, "SELECT version()").Scan(&version); err != nil {
		return "", fmt.Errorf("ask DuckDB for its version: %w", err)
	}
	return version, nil
}

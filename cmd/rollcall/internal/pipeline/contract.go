package pipeline

import (
	"strings"

	"github.com/rollcall-data/rollcall/transform"
)

// ContractError says that a run would change columns that schema.contract freezes.
type ContractError struct {
	Broken []string // what would change, by path
}

func (e *ContractError) Error() string {
	return "schema.contract freezes what this run's users would change: " + strings.Join(e.Broken, "; ")
}

// Hints says what to do.
func (e *ContractError) Hints() []string {
	return []string{
		"schema.paths lets single paths evolve, or quarantines them; schema.contract: evolve lets all columns follow the data",
		"nothing is asked for again: the next run goes on from here",
	}
}

// contract is what the configuration lets the learned columns do. The first version is free.
func (r *run) contract() transform.Contract {
	if !r.prior.exists {
		return transform.Contract{}
	}
	mode := func(specific string) transform.Mode {
		if specific == "" {
			specific = r.cfg.SchemaContract
		}
		if specific == "evolve" {
			return transform.Evolve
		}
		return transform.Mode(specific)
	}
	c := transform.Contract{Columns: mode(r.cfg.SchemaColumns), Types: mode(r.cfg.SchemaTypes), Paths: map[string]transform.Mode{}}
	for _, p := range r.cfg.SchemaPaths {
		path, m, _ := strings.Cut(p, "=")
		c.Paths[path] = mode(m)
	}
	return c
}

package transform

// Mode is what happens to a change of the learned columns.
type Mode string

// The modes of a contract; the zero value is Evolve.
const (
	Evolve     Mode = ""           // columns are added, types widen
	Freeze     Mode = "freeze"     // the run fails before it publishes, naming what would change
	Quarantine Mode = "quarantine" // the columns stay as they are; cells that do not fit are issues
)

// Contract says how the learned preference columns may change from version to version. The first version is free.
type Contract struct {
	Columns Mode            // new paths
	Types   Mode            // wider types
	Paths   map[string]Mode // both, for a path alone, as $.preferences.volume
}

// Free tells whether the columns may become whatever the data asks for.
func (c Contract) Free() bool { return c.Columns == Evolve && c.Types == Evolve && len(c.Paths) == 0 }

func (c Contract) columns(path string) Mode { return c.mode(path, c.Columns) }

func (c Contract) types(path string) Mode { return c.mode(path, c.Types) }

func (c Contract) mode(path string, general Mode) Mode {
	if m, ok := c.Paths[path]; ok {
		return m
	}
	return general
}

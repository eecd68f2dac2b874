package pipeline

import (
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/load/publish"
)

// lakesName is the record of the lakes that versions were published to: what each shows, so that one that is up to date is not asked, and what is still
// to be erased there, wherever the configuration points now. It holds no secret.
const lakesName = "lake.json"

// lakePlace is a lake that versions were published to.
type lakePlace struct {
	Catalog   string `json:"catalog"`
	URI       string `json:"uri"` // of the catalog, without what is secret in it
	Location  string `json:"location"`
	Namespace string `json:"namespace"`
	Endpoint  string `json:"endpoint,omitempty"`
	Region    string `json:"region,omitempty"`
	PathStyle bool   `json:"path_style,omitempty"`
	Version   string `json:"version,omitempty"` // that it is known to show
	Newest    string `json:"newest,omitempty"`  // that it has shown
	Erase     string `json:"erase,omitempty"`   // RFC 3339, UTC: when the erasure began that has not reached it yet
}

func placeOf(a config.LakeAccess) lakePlace {
	return lakePlace{
		Catalog: a.Catalog, URI: a.PublicURI(), Location: a.Location, Namespace: a.Namespace, Endpoint: a.Endpoint, Region: a.Region, PathStyle: a.PathStyle,
	}
}

// access reaches a lake that the configuration names no more, with no secret but what the environment has for every program.
func (p lakePlace) access() config.LakeAccess {
	return config.LakeAccess{
		Catalog: p.Catalog, URI: extract.Secret(p.URI), Location: p.Location, Namespace: p.Namespace, Endpoint: p.Endpoint, Region: p.Region, PathStyle: p.PathStyle,
	}
}

// same tells whether two are one lake, however its files are reached.
func (p lakePlace) same(o lakePlace) bool {
	return p.Catalog == o.Catalog && p.URI == o.URI && p.Location == o.Location && p.Namespace == o.Namespace && p.Endpoint == o.Endpoint
}

func (p lakePlace) name() string { return lakeName(p.Location, p.Namespace) }

// due is what makes the lake show a version; empty: it does. Runs sort by time, and what is not newer than what the lake has shown is no publish to it.
func (p lakePlace) due(current string) string {
	switch {
	case p.Erase != "":
		return lakeErase
	case p.Version == current:
		return ""
	case current <= p.Newest:
		return lakeRollback
	}
	return lakePublish
}

func loadLakes(wh *publish.Warehouse) ([]lakePlace, error) {
	return loadRecord[lakePlace](wh, lakesName)
}

func saveLakes(wh *publish.Warehouse, lakes []lakePlace) error {
	return saveRecord(wh, lakesName, lakes)
}

// eraseLakes records that all lakes have to be rid of what is being rewritten. PublishLakes carries it out, now or when it can.
func eraseLakes(wh *publish.Warehouse, at string) error {
	lakes, err := loadLakes(wh)
	if err != nil || len(lakes) == 0 {
		return err
	}
	for i := range lakes {
		if lakes[i].Erase == "" {
			lakes[i].Erase = at
		}
	}
	return saveLakes(wh, lakes)
}

// LakeState is what is on record about a lake. Nobody is asked.
type LakeState struct {
	Name    string
	Version string // that it is known to show; empty: none
	Erase   string // RFC 3339, UTC: when the erasure began that has not reached it yet; empty: none
}

// Lakes are the lakes on record, and that of the configuration where nothing was published to it yet; of those of before, the ones that something has
// still to be erased in.
func Lakes(c *config.Config, wh *publish.Warehouse) ([]LakeState, error) {
	lakes, err := loadLakes(wh)
	if err != nil {
		return nil, err
	}
	var out []LakeState
	found := false
	for _, p := range lakes {
		ours := p.Catalog == c.Lake.Catalog && p.Location == c.Lake.Location && p.Namespace == c.Lake.Namespace
		if ours || p.Erase != "" {
			out = append(out, LakeState{p.name(), p.Version, p.Erase})
		}
		found = found || ours
	}
	if c.Lake.IsSet() && !found {
		out = append(out, LakeState{Name: lakeName(c.Lake.Location, c.Lake.Namespace)})
	}
	return out, nil
}

package pipeline

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/lake"
	"github.com/rollcall-data/rollcall/load/publish"
)

// LakeCopy is the current version in a lake.
type LakeCopy struct {
	Location    string  `json:"location"` // s3://BUCKET/PREFIX or file:///FOLDER
	Namespace   string  `json:"namespace"`
	Version     *string `json:"version"` // that its tables show; null where that is not known
	Did         string  `json:"did"`     // publish, rollback or erase, done or attempted; empty: it had the version
	Seconds     float64 `json:"seconds"`
	Outstanding string  `json:"outstanding,omitempty"`
}

// unerased tells whether something forgotten may still be in the lake. A lake that is merely behind needs nobody: the next run catches up.
func (c LakeCopy) unerased() bool { return c.Outstanding != "" && c.Did == lakeErase }

// Name is the lake in a line for people.
func (c LakeCopy) Name() string { return lakeName(c.Location, c.Namespace) }

func lakeName(location, namespace string) string { return "lake " + namespace + " at " + location }

// The commands of rollcall-lake that a run gives.
const (
	lakePublish  = "publish"
	lakeRollback = "rollback"
	lakeErase    = "erase"
)

// laker brings lakes up to date.
type laker struct {
	cfg     *config.Config
	wh      *publish.Warehouse
	log     zerolog.Logger
	current string
	lakes   []lakePlace
}

// PublishLakes makes the lake of the configuration show the current version, by running rollcall-lake where the record says that it does not, and
// carries out what erasures are outstanding in lakes. What does not get there, whatever the reason, is said in the LakeCopy, and the next call goes on
// with it: an error is one of the warehouse's own, or the context's. The caller holds the lock.
func PublishLakes(ctx context.Context, c *config.Config, wh *publish.Warehouse, log zerolog.Logger) ([]LakeCopy, error) {
	lakes, err := loadLakes(wh)
	if err != nil {
		return nil, err
	}
	if !c.Lake.IsSet() && !slices.ContainsFunc(lakes, func(p lakePlace) bool { return p.Erase != "" }) {
		return nil, nil
	}
	v, err := wh.Current()
	if err != nil {
		return nil, err
	}
	k := &laker{cfg: c, wh: wh, log: log, current: v.Run, lakes: lakes}
	var out []LakeCopy
	target := -1
	if c.Lake.IsSet() {
		access, err := c.LakeAccess(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil: // it is not known which of those on record it is
			copied := LakeCopy{Location: c.Lake.Location, Namespace: c.Lake.Namespace}
			k.left(&copied, lakePlace{}, err)
			return []LakeCopy{copied}, nil
		}
		target = k.find(access)
		copied, err := k.bring(ctx, target, access)
		if out = append(out, copied); err != nil {
			return out, err
		}
	}
	for i, p := range k.lakes {
		if i == target || p.Erase == "" { // one of before, and nothing it has must go
			continue
		}
		copied, err := k.bring(ctx, i, p.access())
		if out = append(out, copied); err != nil {
			return out, err
		}
	}
	return out, nil
}

// find is the place on record that is reached so, a new one where there is none.
func (k *laker) find(a config.LakeAccess) int {
	target := placeOf(a)
	at := slices.IndexFunc(k.lakes, target.same)
	if at < 0 {
		k.lakes = append(k.lakes, target)
		return len(k.lakes) - 1
	}
	k.lakes[at].Region, k.lakes[at].PathStyle = target.Region, target.PathStyle
	return at
}

// bring brings one lake up to date. The error is the warehouse's or the context's; what is the lake's is in the LakeCopy.
func (k *laker) bring(ctx context.Context, at int, a config.LakeAccess) (LakeCopy, error) {
	p := &k.lakes[at]
	c := LakeCopy{Location: p.Location, Namespace: p.Namespace, Did: p.due(k.current)}
	if c.Did == "" {
		c.Version = &p.Version
		return c, nil
	}
	process, err := lake.For(k.cfg, a, k.log)
	if err != nil {
		k.left(&c, *p, err)
		return c, nil
	}
	p.Version = "" // it is not known until the program has ended well
	if err := saveLakes(k.wh, k.lakes); err != nil {
		return c, err
	}
	began := time.Now()
	err = k.run(ctx, process, c.Did)
	c.Seconds = time.Since(began).Seconds()
	if err != nil {
		k.left(&c, *p, err)
		return c, ctx.Err()
	}
	return c, k.settled(p, &c)
}

// settled records that a lake shows the current version, and nothing that was to be erased.
func (k *laker) settled(p *lakePlace, c *LakeCopy) error {
	erased := p.Erase != ""
	p.Version, p.Newest, p.Erase = k.current, max(p.Newest, k.current), ""
	twin := slices.ContainsFunc(k.lakes, func(o lakePlace) bool { return o.Erase != "" && o.name() == p.name() })
	if erased && !twin {
		if err := settleRecords(k.wh, p.name()); err != nil {
			return err
		}
	}
	if err := saveLakes(k.wh, k.lakes); err != nil {
		return err
	}
	c.Version = &k.current
	k.log.Info().Str("to", c.Name()).Str("version", k.current).Str("did", c.Did).Float64("seconds", c.Seconds).Msg("in the lake")
	return nil
}

// run has rollcall-lake do something.
func (k *laker) run(ctx context.Context, process lake.Process, command string) error {
	if d := k.cfg.Lake.Deadline; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	args := []string{command, "--warehouse", k.wh.Dir()}
	if command == lakeRollback {
		args = append(args, k.current)
	}
	return process.Run(ctx, args...)
}

// left says in the LakeCopy, and logs, why a lake does not show the current version.
func (k *laker) left(c *LakeCopy, p lakePlace, err error) {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		c.Outstanding = "it had not ended after " + k.cfg.Lake.Deadline.String() + " (lake.deadline)"
	case errors.Is(err, context.Canceled):
		c.Outstanding = "interrupted"
	default:
		c.Outstanding = err.Error()
	}
	if p.Erase != "" {
		c.Outstanding = "what was erased here on " + p.Erase + " may still be there: " + c.Outstanding
	}
	former := p.Location != "" && !(p.Location == k.cfg.Lake.Location && p.Namespace == k.cfg.Lake.Namespace)
	if hinted := interface{ Hints() []string }(nil); errors.As(err, &hinted) && len(hinted.Hints()) > 0 {
		c.Outstanding += "; " + hinted.Hints()[0]
	}
	if former {
		c.Outstanding += "; the configuration names another lake now: name this one again until it is erased, or, where it is gone, take it out of " + lakesName
	}
	k.log.Warn().Str("to", c.Name()).Str("version", k.current).Str("reason", c.Outstanding).Msg("not in the lake")
}

// OutstandingLakes says what did not get to the lakes, a line each.
func OutstandingLakes(lakes []LakeCopy) []string {
	var out []string
	for _, c := range lakes {
		if c.Outstanding != "" {
			out = append(out, c.Name()+": "+c.Outstanding)
		}
	}
	return out
}

// follow is the end of a run: object storage, then the lake, are to have its version.
func (r *run) follow(ctx context.Context, s *Summary) error {
	if err := r.publishCopies(ctx, s); err != nil {
		return err
	}
	return r.publishLakes(ctx, s)
}

// publishLakes has the lake follow. It is the last that a run does: it can take long.
func (r *run) publishLakes(ctx context.Context, s *Summary) error {
	if r.cfg.Lake.IsSet() {
		r.progress("lake", 0, 0)
	}
	lakes, err := PublishLakes(ctx, r.cfg, r.wh, r.o.Log)
	if errors.Is(err, publish.ErrNoVersion) || len(lakes) == 0 {
		return err
	}
	s.Lake = lakes
	return errors.Join(err, r.record(s))
}

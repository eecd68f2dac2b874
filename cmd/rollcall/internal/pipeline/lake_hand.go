package pipeline

import (
	"errors"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/load/publish"
)

// PublishByHand has do publish the current version to the lake of the configuration, and has it on record as a run does: an erasure reaches what was ever published
// to, whoever asked for it. Where do fails, it is on record that it is not known what the lake shows. The caller holds the lock.
func PublishByHand(c *config.Config, wh *publish.Warehouse, a config.LakeAccess, do func() error) error {
	lakes, err := loadLakes(wh)
	if err != nil {
		return err
	}
	v, err := wh.Current()
	if err != nil {
		return err
	}
	k := &laker{cfg: c, wh: wh, current: v.Run, lakes: lakes}
	p := &k.lakes[k.find(a)]
	shown := p.Version
	p.Version = ""
	if err := saveLakes(wh, k.lakes); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	if p.Version = shown; v.Run > p.Newest { // one that is not newer than what it has shown may be held back there
		p.Version, p.Newest = v.Run, v.Run
	}
	if err := saveLakes(wh, k.lakes); err != nil {
		return errors.Join(errors.New("it is published, and that is not on record"), err)
	}
	return nil
}

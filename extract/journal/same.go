package journal

import (
	"errors"
	"hash/maphash"
	"sort"
	"strconv"
)

// A sweep proves itself by asking for the list twice, so most pages come twice, byte for byte. Such a body is written once for each segment:
// the answers after the first say where it is. A reference names an answer that has its body itself, so it is followed once, and one that
// comes before it, so whoever reads a segment from its beginning has seen it.

const (
	// minShared is the least that a body has, in bytes, to be referred to: below it there is nothing to gain.
	minShared = 1 << 10
	// maxShared is how many bodies a reference reaches back over: of those that have minShared and are there themselves. It bounds what a
	// process that writes keeps of them, and one that reads.
	maxShared = 1 << 17
	// maxSame is the most that a reference adds to a head, in bytes.
	maxSame = len(`,"same":{"block":4294967295,"entry":63}`)
)

// bodyAt is where a body is: in a block of the same segment, by the block's number, in its Entry-th entry, counted from 0.
type bodyAt struct {
	Block uint32 `json:"block"`
	Entry int    `json:"entry"`
}

func (a bodyAt) before(b bodyAt) bool {
	return a.Block < b.Block || a.Block == b.Block && a.Entry < b.Entry
}

// bodySum stands for a body: two sums of 64 bits, each under a seed that this process drew, and the length. Nobody outside of the process
// can aim at it, and by chance two bodies of a length have one in 2^128 times.
type bodySum struct {
	a, b uint64
	size int
}

// known finds the bodies that a segment has already, as it is written. sum may be called at any time, the rest by one at a time.
type known struct {
	seeds  [2]maphash.Seed
	places map[bodySum]bodyAt
	sums   []bodySum // those in places, a ring once they are maxShared
	oldest int
}

func newKnown() *known {
	return &known{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, places: make(map[bodySum]bodyAt)}
}

// sum is the sum of a body that may be shared, and zero for another.
func (k *known) sum(body []byte) bodySum {
	if len(body) < minShared {
		return bodySum{}
	}
	return bodySum{a: maphash.Bytes(k.seeds[0], body), b: maphash.Bytes(k.seeds[1], body), size: len(body)}
}

// refer is f with a reference in place of its body, and true, if the segment has the body already; else f.
func (k *known) refer(f frame) (frame, bool) {
	at, ok := k.places[f.sum]
	if !ok || len(f.line)+maxSame > maxHead {
		return f, false
	}
	return f.refer(at), true
}

// add takes in that f's body is written at that place. Places only grow.
func (k *known) add(f frame, at bodyAt) {
	if f.sum.size == 0 {
		return
	}
	if len(k.sums) < maxShared {
		k.sums = append(k.sums, f.sum)
	} else {
		delete(k.places, k.sums[k.oldest])
		k.sums[k.oldest] = f.sum
		k.oldest = (k.oldest + 1) % maxShared
	}
	k.places[f.sum] = at
}

// refer is f with a reference in place of its body.
func (f frame) refer(at bodyAt) frame {
	line := make([]byte, 0, len(f.line)+maxSame)
	line = append(line, f.line[:len(f.line)-len("}\n")]...)
	line = append(line, `,"same":{"block":`...)
	line = strconv.AppendUint(line, uint64(at.Block), 10)
	line = append(line, `,"entry":`...)
	line = strconv.AppendInt(line, int64(at.Entry), 10)
	return frame{line: append(line, "}}\n"...), request: f.request}
}

// seenBodies are those that the blocks read so far of a segment have, and that a later answer may refer to, in their order.
type seenBodies struct{ all []seenBody }

// seenBody is a body that was there.
type seenBody struct {
	at   bodyAt
	size int
	spot spot // of its block
}

var errReference = errors.New("an answer whose body is said to be where there is none")

// take counts the entry n of a block that lies at s, or finds the body that it refers to.
func (b *seenBodies) take(h blockHeader, s spot, n int, it item) error {
	switch {
	case it.same != nil:
		_, err := b.find(h, it)
		return err
	case h.Version == firstVersion || it.Note != "" || it.body < minShared:
		return nil
	case len(b.all) == 2*maxShared:
		b.all = b.all[:copy(b.all, b.all[maxShared:])]
	}
	b.all = append(b.all, seenBody{at: bodyAt{Block: h.Number, Entry: n}, size: it.body, spot: s})
	return nil
}

// find returns the body that an entry of a block refers to.
func (b *seenBodies) find(h blockHeader, it item) (seenBody, error) {
	within := b.all[max(0, len(b.all)-maxShared):]
	i := sort.Search(len(within), func(i int) bool { return !within[i].at.before(*it.same) })
	if h.Version == firstVersion || i == len(within) || within[i].at != *it.same || within[i].size != it.body {
		return seenBody{}, errReference
	}
	return within[i], nil
}

// bodyOf returns the body of entry n of a decoded block, which has size bytes. It is part of raw.
func (d *decoder) bodyOf(raw []byte, n, size int) ([]byte, error) {
	for i := 0; ; i++ {
		it, err := d.entry(raw)
		if err != nil {
			return nil, err
		}
		if i < n {
			raw = raw[it.size:]
			continue
		}
		if it.Note != "" || it.same != nil || it.body != size {
			return nil, errReference
		}
		return it.Answer.Body, nil
	}
}

package sweep_test

import (
	"context"
	"fmt"
	"strconv"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

// A list of five rows, paged by offset.
type list []string

func (l list) Page(_ context.Context, q sweep.Query) (sweep.Page, error) {
	from := min(int(q.Cursor), len(l))
	to := min(from+q.Limit, len(l))
	p := sweep.Page{More: sweep.No}
	if to < len(l) {
		p.More = sweep.Yes
	}
	for _, id := range l[from:to] {
		p.Items = append(p.Items, sweep.Item{Key: id, Raw: []byte(strconv.Quote(id))})
	}
	return p, nil
}

func Example() {
	latest := map[string][]byte{}
	r, err := sweep.Run(context.Background(), list{"ann", "ben", "cyd", "dan", "eve"}, sweep.Options{
		Limit:   3,
		Dialect: sweep.Offset,
		Seen:    func(i sweep.Item) error { latest[i.Key] = i.Raw; return nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Certificate.Certified, r.Certificate.Proof, r.Certificate.Sweeps, r.Certificate.Users, len(latest))
	// Output: true count 2 5 5
}

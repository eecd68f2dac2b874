package amigo

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

const (
	maxLookup      = 100     // ids in one request: as many as come back on one page
	maxLookupQuery = 6 << 10 // bytes of one request's query; servers and proxies refuse long request lines
)

// Lookup asks for users by id, a hundred at a time (user_id=, api/amigo.md §2.1), and returns the rows of those whom the API knows and
// shows, each once, in no particular order. Rows nobody asked for, which a server that ignores the filter would send, are left out.
func (s *Source) Lookup(ctx context.Context, ids []string) ([]sweep.Item, error) {
	var found []sweep.Item
	for len(ids) > 0 {
		n := chunk(ids)
		items, err := s.lookup(ctx, ids[:n])
		if err != nil {
			return nil, err
		}
		found, ids = append(found, items...), ids[n:]
	}
	return found, nil
}

// chunk is how many of the ids fit one request; at least one does.
func chunk(ids []string) int {
	size := 0
	for i, id := range ids[:min(len(ids), maxLookup)] {
		size += len("&user_id=") + len(url.QueryEscape(id))
		if size > maxLookupQuery && i > 0 {
			return i
		}
	}
	return min(len(ids), maxLookup)
}

func (s *Source) lookup(ctx context.Context, ids []string) ([]sweep.Item, error) {
	asked := make(map[string]bool, len(ids))
	var distinct []string
	for _, id := range ids {
		if !asked[id] {
			asked[id] = true
			distinct = append(distinct, id)
		}
	}
	rows := make(map[string]int, len(ids))
	var found []sweep.Item
	cursor := int64(0)
	// A server may cut pages shorter than asked for, to one row at worst.
	for range len(distinct) + 1 {
		v := url.Values{"user_id": distinct, "limit": {strconv.Itoa(maxLimit)}}
		var e envelope
		err := s.list(ctx, extract.KindLookup, v, cursor, nil, func(a extract.Answer) (err error) {
			e, err = s.decode(a.Body)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, it := range e.rows {
			if !asked[it.Key] {
				continue
			}
			if i, ok := rows[it.Key]; ok {
				found[i] = it
				continue
			}
			rows[it.Key] = len(found)
			found = append(found, it)
		}
		next, more := s.follow(e, cursor)
		if !more || len(found) == len(distinct) {
			return found, nil
		}
		cursor = next
	}
	return nil, fmt.Errorf("the look-up of %d users of %s does not end: the server goes on claiming more", len(distinct), s.org)
}

// follow is where the rows after an answer are, if there are any: has_more rules; where it is missing, a page with rows is not the end.
func (s *Source) follow(e envelope, cursor int64) (next int64, more bool) {
	if e.more == sweep.No {
		return 0, false
	}
	if s.spoken() == sweep.Offset {
		return cursor + int64(len(e.rows)), e.more == sweep.Yes || len(e.rows) > 0
	}
	return e.next, e.hasNext
}

package freddy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/rollcall-data/rollcall/extract"
)

// maxBatch is how many ids go into one request. The API's own maximum is not known (api/freddy.md §4).
const maxBatch = 100

// Profiles asks for the profiles of users by id (api/freddy.md §4) and returns them, as they came, by id. Those who are not there any
// more, or whose ids the API does not take, are missing. The same ids in the same order lead to the same requests.
func (s *Source) Profiles(ctx context.Context, ids []string) (map[string][]byte, error) {
	found, err := s.find(ctx, ids)
	if err != nil {
		return nil, err
	}
	profiles := make(map[string][]byte, len(found))
	for id, f := range found {
		if f.profile != nil {
			profiles[id] = f.profile
		}
	}
	return profiles, nil
}

// finding is what came of asking for a user by id. Without a profile the user is gone, or, if unclear, perhaps there all the same.
type finding struct {
	profile []byte
	unclear bool
}

func (s *Source) find(ctx context.Context, ids []string) (map[string]finding, error) {
	found := make(map[string]finding, len(ids))
	for chunk := range slices.Chunk(distinct(ids), maxBatch) {
		if err := s.many(ctx, chunk, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// distinct is the ids without repeats, in their order, and without the empty one, which is nobody's.
func distinct(ids []string) []string {
	seen := map[string]bool{"": true}
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// many finds users in a batch, those again whom the answer leaves open, and one by one where batches do not help.
func (s *Source) many(ctx context.Context, ids []string, found map[string]finding) error {
	if s.isOneByOne() {
		return s.each(ctx, ids, found)
	}
	b, status, err := s.batch(ctx, ids)
	if err != nil {
		return err
	}
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		s.goOneByOne()
		return s.each(ctx, ids, found)
	case http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return s.halves(ctx, ids, found)
	}
	var open []string
	for _, id := range ids {
		profile := b.profiles[id]
		if profile == nil && !b.asked[id] {
			open = append(open, id)
			continue
		}
		found[id] = finding{profile: profile}
	}
	switch len(open) {
	case 0:
		return nil
	case len(ids):
		return s.each(ctx, open, found)
	}
	return s.many(ctx, open, found)
}

// halves finds users of a batch that was refused whole: it is too large, or one of the ids is not to the API's taste.
func (s *Source) halves(ctx context.Context, ids []string, found map[string]finding) error {
	if len(ids) == 1 {
		return s.each(ctx, ids, found)
	}
	middle := len(ids) / 2
	if err := s.many(ctx, ids[:middle], found); err != nil {
		return err
	}
	return s.many(ctx, ids[middle:], found)
}

func (s *Source) batch(ctx context.Context, ids []string) (b batch, status int, err error) {
	body, err := json.Marshal(struct {
		IDs []string `json:"user_ids"`
	}{ids})
	if err != nil {
		return batch{}, 0, fmt.Errorf("encode the ids of %d users: %w", len(ids), err)
	}
	call := extract.Call{
		Org: s.Org(), Kind: extract.KindFreddyBatch, Method: http.MethodPost, Path: "/v1/user/batch", Body: body,
		Final: []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity},
	}
	a, err := s.do(ctx, call, func(a extract.Answer) (err error) {
		if failed(a) {
			return nil
		}
		b, err = decodeBatch(a.Body)
		return err
	})
	return b, a.Status, err
}

// each finds users one by one (api/freddy.md §4).
func (s *Source) each(ctx context.Context, ids []string, found map[string]finding) error {
	for _, id := range ids {
		a, err := s.get(ctx, "/v1/user/"+segment(id))
		if err != nil {
			return err
		}
		found[id] = judge(a, "id", id)
	}
	return nil
}

// get asks for one object. It may be missing (404), or the id not be taken for one (422).
func (s *Source) get(ctx context.Context, path string) (extract.Answer, error) {
	call := extract.Call{
		Org: s.Org(), Kind: extract.KindFreddyGet, Method: http.MethodGet, Path: path,
		Final: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}
	return s.do(ctx, call, func(a extract.Answer) error {
		if failed(a) {
			return nil
		}
		return checkObject(a.Body)
	})
}

// judge says what an answer about one user tells. An object about somebody else, as /v1/user/me would be, tells nothing.
func judge(a extract.Answer, name, id string) finding {
	if a.Status == http.StatusNotFound {
		return finding{unclear: !ownError(a.Body)}
	}
	if failed(a) {
		return finding{unclear: true}
	}
	if got, _ := idOf(a.Body, name); got != id {
		return finding{unclear: true}
	}
	return finding{profile: a.Body}
}

func failed(a extract.Answer) bool { return a.Status >= http.StatusMultipleChoices }

func (s *Source) isOneByOne() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.oneByOne
}

func (s *Source) goOneByOne() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oneByOne = true
}

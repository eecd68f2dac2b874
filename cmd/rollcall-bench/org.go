package main

import (
	"math/rand/v2"
	"strconv"
	"time"
	"unicode/utf8"
)

// org is the organization that everybody asks for.
const org = "acme"

// generation is what the organization's users were at a time: in later ones one user in a hundred has another name, preference and time of change.
type generation int

const changedEvery = 100

// changes says whether user i differs from what the generation before had.
func (g generation) changes(i int) bool { return g > 0 && i%changedEvery == (37*int(g))%changedEvery }

// role is one of the organization's roles, as the API gives it.
type role struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

var roles = []role{
	{"67a1f0c2e4b0a1b2c3d4e501", "DefaultUserRole", "Talks with the coach"},
	{"67a1f0c2e4b0a1b2c3d4e502", "CareCoach", "Reads conversations of the team's users"},
	{"67a1f0c2e4b0a1b2c3d4e503", "DefaultAdministratorRole", "Administers the organization"},
}

var (
	given = []string{"Amara", "Benoît", "Chiara", "Dagny", "Emre", "Fatou", "Grzegorz", "Hana", "Iñigo", "Jürgen", "Kaito", "Lucía", "Małgorzata", "Nils", "Olga",
		"Paulo", "Quinn", "Renée", "Sven", "Thandiwe", "Ulla", "Věra", "William", "Xóchitl", "Yara", "Zsófia", "健太", "Ольга", "अर्जुन", "سلمى"}
	family = []string{"Adeyemi", "Björk", "Chen", "Dvořák", "Eriksen", "Fernández", "Gallagher", "Haddad", "Iyer", "Jansen", "Kim", "López", "McCarthy", "Nowacki",
		"O'Neill", "Pereira", "Rossi", "Schäfer", "Tanaka", "Vasquez", "鈴木", "Соколов", "López-Ibarra", "de Vries"}
	talk = []string{"walks", "the", "dog", "before", "breakfast", "and", "sleeps", "better", "when", "screens", "are", "off", "after", "nine", "asks", "for", "recipes",
		"without", "gluten", "worries", "about", "blood", "pressure", "at", "work", "likes", "short", "plain", "answers", "in", "metric", "units", "knee", "surgery", "last",
		"spring", "swims", "twice", "a", "week", "forgets", "evening", "medication", "“naps”", "café", "über", "prefers", "morning", "check-ins", "with", "her", "sister", "🙂", "面談"}
	facts     = []string{"Employer: Northwind", "Employer: Contoso", "Care Recipient: Bella, Age 5", "Plan: PPO \"Gold\"", "Language at home: español", "Shift: nights\nand weekends"}
	subjects  = []string{"Sleep", "Nutrition", "Physical Activity", "Medical History & Conditions", "Stress", "Social Support", "Goals", "Communication Style"}
	tags      = []string{"sleep", "diet", "exercise", "chronic disease", "work", "family", "motivation", "tone"}
	regions   = []string{"us-east-1", "us-east-1", "eu-central-1", "ap-southeast-2", "ca-central-1"}
	zones     = []string{"America/New_York", "America/Chicago", "America/Los_Angeles", "Europe/Berlin", "Australia/Sydney", "Asia/Tokyo"}
	languages = []string{"eng", "eng", "eng", "spa", "deu", "fra", "jpn", "en"}
	themes    = []string{"light", "dark", "system"}
	tiers     = []string{"bronze", "silver", "gold"}
)

// writer writes users as the API does. A user depends on seed, number and generation alone, so a smaller organization is the beginning of a
// larger one, and every process sees the same bytes.
type writer struct {
	seed     uint64
	shuffled bool // the list is in no order of ids

	pcg rand.PCG
	r   *rand.Rand
	b   []byte
}

func newWriter(seed uint64, shuffled bool) *writer {
	w := &writer{seed: seed, shuffled: shuffled}
	w.r = rand.New(&w.pcg)
	return w
}

func (w *writer) raw(s string) { w.b = append(w.b, s...) }

func (w *writer) int(n int) { w.b = strconv.AppendInt(w.b, int64(n), 10) }

func (w *writer) coin() { w.b = strconv.AppendBool(w.b, w.r.IntN(2) == 0) }

func (w *writer) one(of []string) string { return of[w.r.IntN(len(of))] }

const hexadecimal = "0123456789abcdef"

func (w *writer) hex(v uint64, digits int) {
	for digits--; digits >= 0; digits-- {
		w.b = append(w.b, hexadecimal[v>>(4*digits)&15])
	}
}

// text writes a JSON string. Escaped, it is ASCII, as some servers write it: the same text, other bytes.
func (w *writer) text(s string, escaped bool) {
	w.b = append(w.b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			w.b = append(w.b, '\\', byte(r))
		case r == '\n':
			w.raw(`\n`)
		case r < utf8.RuneSelf || !escaped:
			w.b = utf8.AppendRune(w.b, r)
		case r > 0xffff:
			w.raw(`\u`)
			w.hex(uint64(0xd800+(r-0x10000)>>10), 4)
			w.raw(`\u`)
			w.hex(uint64(0xdc00+(r-0x10000)&0x3ff), 4)
		default:
			w.raw(`\u`)
			w.hex(uint64(r), 4)
		}
	}
	w.b = append(w.b, '"')
}

func (w *writer) member(name, value string, escaped bool) {
	w.raw(name)
	w.text(value, escaped)
}

func (w *writer) time(micros int64) {
	w.b = time.UnixMicro(micros).UTC().AppendFormat(w.b, `"2006-01-02T15:04:05.000000Z"`)
}

func (w *writer) sentence(words int) string {
	b := make([]byte, 0, 8*words)
	for i := range words {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, w.one(talk)...)
	}
	return string(b)
}

var epoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

const year = 365 * 24 * int64(time.Hour/time.Microsecond)

// user appends the record of user i, about 1.3 kB.
func (w *writer) user(i int, g generation) {
	w.pcg.Seed(w.seed, uint64(i))
	changed := g.changes(i)
	escaped := i%12 == 5
	place := uint64(i)
	if w.shuffled {
		place = place * 2654435761 & 0xffffffff // odd, so no two are the same
	}
	w.raw(`{"user_id":"`)
	w.hex(place, 8)
	w.hex(w.r.Uint64(), 16)
	w.member(`","org_id":`, org, false)
	w.raw(`,"email":"member`)
	w.int(i)
	first, last := w.one(given), w.one(family)
	if changed { // without a number more from the generator, or all that follows would change too
		last += "-" + family[i%len(family)]
	}
	w.member(`@example.com","first_name":`, first, escaped)
	w.member(`,"last_name":`, last, escaped)
	w.member(`,"role":`, roles[max(0, w.r.IntN(20)-17)].ID, false)
	if w.r.IntN(20) == 0 {
		w.raw(`,"region_name":null`)
	} else {
		w.member(`,"region_name":`, w.one(regions), false)
	}
	updated := epoch + w.r.Int64N(year)
	if changed {
		updated += int64(g) * year
	}
	w.raw(`,"updated_at":`)
	w.time(updated)
	w.stats()
	w.preferences(changed)
	w.variables()
	w.context(escaped)
	w.models(escaped)
	w.b = append(w.b, '}')
}

func (w *writer) stats() {
	n := w.r.IntN(30)
	w.raw(`,"user_stats":{"num_conversations":`)
	w.int(n)
	w.raw(`,"num_messages":`)
	w.int(n * (1 + w.r.IntN(40)))
	w.raw(`,"last_message_time":`)
	if n == 0 {
		w.raw("null}")
		return
	}
	w.time(epoch + w.r.Int64N(year))
	w.raw("}")
}

// preferences writes documented ones and others, one of them nested. What can be there is what the floor's tables have columns for.
func (w *writer) preferences(changed bool) {
	if w.r.IntN(100) == 0 {
		w.raw(`,"preferences":{}`)
		return
	}
	w.member(`,"preferences":{"timezone":`, w.one(zones), false)
	w.member(`,"preferred_language":`, w.one(languages), false)
	w.raw(`,"conversations_visible_to_admins":`)
	w.coin()
	w.raw(`,"user_model_visible_to_admins":`)
	w.coin()
	if w.r.IntN(2) == 0 {
		w.raw(`,"enable_response_recommendation":`)
		w.coin()
	}
	switch w.r.IntN(4) {
	case 0:
		w.raw(`,"audio_keyterms":["metoprolol","a-fib"]`)
	case 1:
		w.raw(`,"audio_keyterms":[]`)
	}
	w.member(`,"theme":`, w.one(themes), false)
	hour := w.r.IntN(24)
	if changed {
		hour = (hour + 1) % 24
	}
	w.raw(`,"checkin_hour":`)
	w.int(hour)
	w.raw(`,"notifications":{"email":`)
	w.coin()
	w.raw(`,"sms":`)
	w.coin()
	w.raw(`,"quiet_hours":{"from":"22:00","to":"0`)
	w.int(5 + w.r.IntN(4))
	w.raw(`:30"}}`)
	if w.r.IntN(2) == 0 {
		w.raw(`,"text_scale":`)
		w.b = strconv.AppendFloat(w.b, 0.5+float64(w.r.IntN(150))/100, 'f', 2, 64)
	}
	if w.r.IntN(3) == 0 {
		w.member(`,"nickname":`, w.one(given), false)
	}
	w.raw("}")
}

func (w *writer) variables() {
	w.raw(`,"nonsensitive_variables":{`)
	if w.r.IntN(4) == 0 {
		w.member(`"member_tier":`, w.one(tiers), false)
	}
	w.raw(`},"sensitive_variables":[`)
	if w.r.IntN(10) == 0 {
		w.raw(`"ehr_token"`)
	}
	w.raw(`],"enable_actions_access":`)
	w.coin()
}

func (w *writer) context(escaped bool) {
	if w.r.IntN(50) == 0 {
		return // no such member: NULL, and not []
	}
	w.raw(`,"additional_context":[`)
	for i := range w.r.IntN(4) {
		if i > 0 {
			w.raw(",")
		}
		if w.r.IntN(3) == 0 {
			w.text(w.one(facts), escaped)
		} else {
			w.text(w.sentence(4+w.r.IntN(5)), escaped)
		}
	}
	w.raw("]")
}

func (w *writer) models(escaped bool) {
	w.raw(`,"user_models":[`)
	for i := range 1 + w.r.IntN(3) {
		if i > 0 {
			w.raw(",")
		}
		w.member(`{"content":`, w.sentence(8+w.r.IntN(7)), escaped)
		w.raw(`,"insight_ids":[`)
		for k := range w.r.IntN(3) {
			if k > 0 {
				w.raw(",")
			}
			w.raw(`"`)
			w.hex(w.r.Uint64(), 16)
			w.hex(w.r.Uint64(), 8)
			w.raw(`"`)
		}
		w.raw(`],"dimensions":[`)
		for k := range 1 + w.r.IntN(2) {
			if k > 0 {
				w.raw(",")
			}
			w.member(`{"description":`, w.one(subjects), false)
			w.member(`,"tags":[`, w.one(tags), false)
			if w.r.IntN(2) == 0 {
				w.member(",", w.one(tags), false)
			}
			w.raw("]}")
		}
		w.raw("]}")
	}
	w.raw("]")
}

package sandbox

import (
	"strconv"
	"strings"
	"time"
)

// regionName is what region_name holds: the AWS region of the default host (api/amigo.md §1.1).
const regionName = "us-east-1"

// generator makes the people of an organization. Person number i follows from the seed, the organization and i alone, and
// is made anew whenever it is asked for.
type generator struct {
	key   uint64
	roles []role
}

// Each aspect of a person has dice of its own, so that one can be made without the others.
const (
	aspectIdentity uint64 = iota
	aspectStats
	aspectPreferences
	aspectRecord
	aspectModels
	aspectMemories
)

func (g *generator) dice(i uint32, aspect uint64) dice { return roll(g.key, uint64(i), aspect) }

func (g *generator) identity(i uint32) identity {
	d := g.dice(i, aspectIdentity)
	id := makeID(&d, i)
	first, last := pick(&d, firstNames), pick(&d, lastNames)
	email := first.plain + "." + last.plain + "." + strconv.FormatUint(uint64(mailNumbers.hide(i)), 36) + "@" + pick(&d, mailDomains)
	who := identity{id, first.written, last.written, email}
	if odd := oddityOf(i); odd != nil {
		odd.name(&who)
	}
	return who
}

// numberOfEmail is the number of the person that could have the address; false where it has another form.
func numberOfEmail(email string) (uint32, bool) {
	if i, ok := oddEmails[email]; ok {
		return i, true
	}
	local, _, _ := strings.Cut(email, "@")
	code, err := strconv.ParseUint(local[strings.LastIndexByte(local, '.')+1:], 36, 32)
	return mailNumbers.find(uint32(code)), err == nil
}

// epoch is where the population's times begin; nothing in it follows the calendar, so that its bytes never change.
var epoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// moment writes a time in one of the forms that RFC 3339 allows: seconds, milliseconds, microseconds, with an offset.
func moment(d *dice) string {
	at := epoch.Add(time.Duration(d.below(31_000_000_000)) * time.Millisecond)
	switch d.below(10) {
	case 0:
		return at.Format("2006-01-02T15:04:05Z07:00")
	case 1:
		return at.Add(time.Duration(d.below(1000)) * time.Microsecond).Format("2006-01-02T15:04:05.000000Z07:00")
	case 2:
		return at.In(time.FixedZone("", pick(d, []int{-5 * 3600, 5*3600 + 1800, -11 * 3600, 12*3600 + 2700}))).Format("2006-01-02T15:04:05.000Z07:00")
	default:
		return at.Format("2006-01-02T15:04:05.000Z07:00")
	}
}

func (g *generator) stats(i uint32) stats {
	if odd := oddityOf(i); odd != nil && odd.stats != nil {
		return *odd.stats
	}
	d := g.dice(i, aspectStats)
	if d.percent(22) {
		return stats{}
	}
	conversations := d.between(1, 40)
	return stats{int64(conversations), int64(conversations * d.between(2, 60)), moment(&d)}
}

// person makes all of number i but the memories, which few requests need.
func (g *generator) person(i uint32) *person {
	d := g.dice(i, aspectRecord)
	p := &person{
		identity:    g.identity(i),
		stats:       g.stats(i),
		mongoID:     "67" + d.hex(22),
		role:        g.pickRole(&d),
		preferences: g.preferences(i),
		variables:   object{},
		secrets:     sample(&d, pick(&d, []int{0, 0, 0, 1, 2}), secretNames),
		actions:     d.percent(10),
		updatedAt:   moment(&d),
		context:     sample(&d, pick(&d, []int{0, 0, 1, 2, 3, 5}), contexts),
		bare:        d.percent(8),
	}
	for _, v := range variableValues {
		if d.percent(25) {
			p.variables = append(p.variables, member{v.name, quoted(pick(&d, v.values))})
		}
	}
	if d.below(400) == 0 {
		p.context = append(p.context, "Notes: "+strings.Repeat(pick(&d, contexts)+" ", d.between(100, 600)))
	}
	if p.stats.conversations > 0 {
		p.models = g.models(i)
	}
	if odd := oddityOf(i); odd != nil && odd.change != nil {
		odd.change(p)
	}
	return p
}

// preferences has the documented keys (api/amigo.md §2.3), each missing now and then, and undocumented ones.
func (g *generator) preferences(i uint32) object {
	d := g.dice(i, aspectPreferences)
	if d.percent(6) {
		return object{}
	}
	o := object{}
	add := func(chance int, key, value string) {
		if d.percent(chance) {
			o = append(o, member{key, value})
		}
	}
	orNull := func(chance int, value string) string {
		if d.percent(chance) {
			return "null"
		}
		return quoted(value)
	}
	add(92, "enable_response_recommendation", strconv.FormatBool(d.percent(30)))
	add(92, "preferred_language", orNull(15, pick(&d, languages)))
	add(92, "conversations_visible_to_admins", strconv.FormatBool(d.percent(90)))
	add(92, "user_model_visible_to_admins", strconv.FormatBool(d.percent(88)))
	add(92, "timezone", orNull(15, pick(&d, zones)))
	add(85, "audio_keyterms", string(appendStrings(nil, sample(&d, d.below(4), keyterms))))
	add(35, "notifications", `{"email":`+strconv.FormatBool(d.percent(50))+`,"sms":{"quiet_hours":"`+strconv.Itoa(d.between(20, 23))+
		`-07","max_per_day":`+strconv.Itoa(d.below(10))+`}}`)
	add(25, "volume", pick(&d, volumes))
	add(5, "device_serial", pick(&d, serials))
	add(15, "ratio", pick(&d, ratios))
	add(20, "nickname", quoted(pick(&d, nicknames)))
	add(10, "theme", quoted(pick(&d, themes)))
	for k := len(o) - 1; k > 0; k-- {
		j := d.below(k + 1)
		o[k], o[j] = o[j], o[k]
	}
	return o
}

func (g *generator) models(i uint32) []userModel {
	d := g.dice(i, aspectModels)
	out := make([]userModel, d.below(4))
	for k := range out {
		out[k] = userModel{content: pick(&d, contents), dimensions: make([]dimension, d.below(3)), insights: make([]string, d.below(4))}
		for j := range out[k].insights {
			out[k].insights[j] = "67" + d.hex(22)
		}
		for j := range out[k].dimensions {
			of := pick(&d, dimensions)
			out[k].dimensions[j] = dimension{of.description, sample(&d, d.below(4), of.tags)}
		}
	}
	return out
}

func (g *generator) memories(i uint32) []memory {
	d := g.dice(i, aspectMemories)
	out := make([]memory, pick(&d, []int{0, 0, 1, 2, 4, 9}))
	for k := range out {
		out[k] = memory{id: d.hex(24), createdAt: moment(&d), conversation: d.hex(24), reference: d.hex(24),
			content: pick(&d, memoryTexts), context: pick(&d, contents)}
	}
	return out
}

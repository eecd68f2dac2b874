// Package capacity foretells nights larger than anybody has run here: what they ask of the API, of workers, of the one publisher and of storage, and what breaks
// first. Nothing uses it but its test, whose golden table is the plan.
//
// It simulates a night job by job, as the queue gives them out: organizations of uneven sizes, each at its own rate limit, over a number of slots. What goes in was measured
// ([Measured] says with which command), but for prices, which are list prices, and the distribution of sizes, which is an assumption. What
// is foretold is a straight line through a measurement at 100,000 or 200,000 users, and is no better than that; it is for telling hours from days.
package capacity

import (
	"cmp"
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
)

// Inputs are what a user, an organization and a table cost. Seconds of processors are those of the machine they were measured on: two cores that had other
// work.
type Inputs struct {
	ListPerUser float64 // requests of a certified sweep, both passes
	RPM         float64 // that each endpoint of an organization allows
	UsedRate    float64 // share of it that a run uses
	ModelDays   float64 // age that no model should pass
	BudgetHours float64 // of a night, for models

	SyncCPU        float64 // seconds a user, of a night with 1 % changed
	PublishCPU     float64 // seconds a user, to compare all tables with the lake, in one pass
	PublishMemory  float64 // bytes that the publisher has by itself
	HeldRow        float64 // and a row of the table that is compared
	Rows           float64 // a user, of the table with the most
	RunMemory      float64 // bytes that a run has by itself
	RunUserMemory  float64 // and a user
	VersionBytes   float64 // a user, of a version in a warehouse
	JournalBytes   float64 // a user and night
	LakeBytes      float64 // a user, in all tables
	ChangedBytes   float64 // a changed user, in the lake: rows and delete files
	TableFiles     int     // data files of all tables in one bucket
	Tables         int     // so many commits a night
	EnqueueSeconds float64 // an organization

	Changed      float64 // share of users who change in a night
	KeepVersions float64
	KeepJournal  float64 // nights
	KeepLake     float64 // nights of snapshots

	StoragePrice float64 // dollars a GB and month, of the lake and of the warehouses
	CPUPrice     float64 // dollars an hour of a core, with the memory below
	CoreMemory   float64 // bytes that come with a core
}

// Measured are the inputs, with what each was measured with on 2026-11-23.
var Measured = Inputs{
	ListPerUser: 2025.0 / 100_000, // requests.list of: rollcall sandbox --users 100000 --items full; rollcall sync --rpm none --json
	RPM:         60,               // api/amigo.md §4.2, of the list and of models
	UsedRate:    0.96,             // rate_share of runs over a minute: go test -run TestNight, 200 organizations of 45 to 94 users
	ModelDays:   30,               // model_max_age
	BudgetHours: 4,                // model_budget

	SyncCPU:        9.27 / 200_000,                           // make bench USERS=200000 ROUNDS=3, "1 % changed"
	PublishCPU:     (39.72 + 2.61) / 1_000_000,               // time rollcall-lake publish, 10,000 of 1,000,000 users changed
	PublishMemory:  357_540*1024 - 1_010_000*40,              // the same, its peak, less what is held of the largest table compared, users_history
	HeldRow:        40,                                       // unsafe.Sizeof a row that is held, and of its links
	Rows:           4_497_050.0 / 1_000_000,                  // the same, user_model_dimensions; where anybody's models change, it is compared too
	RunMemory:      57.8 * 1024 * 1000,                       // time rollcall sync --sandbox, unchanged, 5,000 users, less their part
	RunUserMemory:  (450_000_000 - 57.8*1024*1000) / 195_000, // make bench, "1 % changed", and that one
	VersionBytes:   (47_156_147 + 166_998_016) / 100_000,     // du -sb current/parquet current/users.duckdb, 100,000 users with full items
	JournalBytes:   18_818_836 / 100_000,                     // du -sb journal, the same
	LakeBytes:      47_366_165 / 100_000,                     // du -sb of the lake, the same
	ChangedBytes:   420_000 / 10_000,                         // position deletes, 10,000 of 1,000,000 rows changed (iceberg-go, one table), for each of nine tables
	TableFiles:     11,                                       // data files of the lake with one organization: one bucket
	Tables:         13,
	EnqueueSeconds: 2.09 / 10_000, // time rollcall-lake enqueue, 10,000 organizations

	Changed: 0.01, KeepVersions: 7, KeepJournal: 7, KeepLake: 7, // defaults, and the bench's 1 %

	StoragePrice: 0.023, // S3 Standard's list price, us-east-1
	CPUPrice:     0.04,  // a core of a general-purpose machine on demand
	CoreMemory:   4e9,
}

const userTables = 9 // with a row or more a user

// Scale is what is to be carried.
type Scale struct {
	Orgs  int
	Users float64
	Slots int     // organizations at once, over all workers
	Hours float64 // that a night may take

	Publisher float64 // bytes of memory of the machine that publishes; --held-rows makes use of them
}

// Forecast is a night of a scale.
type Forecast struct {
	Largest       float64 // users of the largest organization
	TooLarge      int     // organizations whose sweep alone takes longer than the night
	TooLargeUsers float64 // theirs
	Hours         float64 // until the last shard is in, with these slots
	HoursFitting  float64 // the same without the too large ones
	SlotsNeeded   float64 // for those that fit, in the night's hours
	Cores         float64 // for them
	Memory        float64 // bytes, of as many runs of the mean size as there are slots needed
	Requests      float64 // a night
	BackfillDays  float64 // until the mean organization has all models; twelve budgets of a night are two days of asking
	BackfillLast  float64 // until the largest has
	Stale         int     // organizations whose models get older than they should, for ever

	Passes        float64 // over the largest table, while it is compared
	PublishHours  float64 // of one core
	PublishMemory float64
	Commits       int
	Files         int     // data files of a lake of 16 buckets that was just compacted
	NightBytes    float64 // written to the lake a night
	Lake          float64 // bytes, snapshots included
	Warehouses    float64
	Enqueue       float64 // seconds
	Dollars       float64 // a month: storage, and processors with their memory
}

// spread is the standard deviation of the logarithm of sizes: some organizations have hundreds of times the users of most.
const spread = 1.5

// sizes are the users of organizations, which add up; in no order.
func sizes(orgs int, users float64) []float64 {
	out := make([]float64, orgs)
	sum := 0.0
	for i := range out {
		out[i] = math.Exp(spread * math.Sqrt2 * math.Erfinv(2*(float64(i)+0.5)/float64(orgs)-1))
		sum += out[i]
	}
	for i := range out {
		out[i] *= users / sum
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(orgs, func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// hours is how long an organization's night takes: the list and the models are asked for at once, each endpoint at its own limit.
func (in Inputs) hours(users float64) (list, all float64) {
	perHour := in.RPM * in.UsedRate * 60
	list = users * in.ListPerUser / perHour
	models := min(users/in.ModelDays/perHour, in.BudgetHours)
	return list, max(list, models) + users*in.SyncCPU/3600
}

// Simulate foretells.
func Simulate(in Inputs, s Scale) Forecast {
	orgs := sizes(s.Orgs, s.Users)
	perHour := in.RPM * in.UsedRate * 60
	f := Forecast{Largest: slices.Max(orgs), Commits: in.Tables, Files: in.TableFiles * 16, Enqueue: in.EnqueueSeconds * float64(s.Orgs)}
	var all, fitting []float64
	var cpu, busy float64
	for _, users := range orgs {
		list, hours := in.hours(users)
		all = append(all, hours)
		models := min(users/in.ModelDays, in.BudgetHours*perHour)
		f.Requests += users*in.ListPerUser + models
		if models < users/in.ModelDays {
			f.Stale++
		}
		if list > s.Hours {
			f.TooLarge++
			f.TooLargeUsers += users
			continue
		}
		fitting = append(fitting, hours)
		busy += hours
		cpu += users * in.SyncCPU / 3600
	}
	f.Hours, f.HoursFitting = makespan(all, s.Slots), makespan(fitting, s.Slots)
	f.SlotsNeeded, f.Cores = math.Ceil(busy/s.Hours), math.Ceil(cpu/s.Hours)
	f.Memory = f.SlotsNeeded * (in.RunMemory + in.RunUserMemory*(s.Users-f.TooLargeUsers)/float64(max(1, len(fitting))))
	perNight := in.BudgetHours * perHour
	f.BackfillDays, f.BackfillLast = math.Ceil(s.Users/float64(s.Orgs)/perNight), math.Ceil(f.Largest/perNight)
	in.lake(s, &f, cpu)
	return f
}

// lake foretells what becomes of a night that is in.
func (in Inputs) lake(s Scale, f *Forecast, cpu float64) {
	f.Passes = math.Floor(s.Users/in.onePass(s)) + 1
	f.PublishHours = s.Users * in.PublishCPU * f.Passes / 3600 // at most: smaller tables take fewer
	f.PublishMemory = in.PublishMemory + min(s.Users, in.onePass(s))*in.Rows*in.HeldRow
	f.NightBytes = s.Users * in.Changed * (in.ChangedBytes*userTables + in.LakeBytes)
	f.Lake = s.Users*in.LakeBytes + in.KeepLake*f.NightBytes
	f.Warehouses = s.Users * (in.VersionBytes*in.KeepVersions + in.JournalBytes*in.KeepJournal)
	fetching := max(cpu, f.Memory/in.CoreMemory*s.Hours) // core hours a night: a run that waits for its rate holds its memory
	publishing := f.PublishHours * max(1, f.PublishMemory/in.CoreMemory)
	f.Dollars = (f.Lake+f.Warehouses)/1e9*in.StoragePrice + 30*(fetching+publishing)*in.CPUPrice
}

// onePass is how many users' rows the publisher holds at a time.
func (in Inputs) onePass(s Scale) float64 {
	return (s.Publisher - in.PublishMemory) / in.HeldRow / in.Rows
}

// makespan is when the last job ends, with so many slots that each take the next job of the queue when they are free.
func makespan(jobs []float64, slots int) float64 {
	free := make(times, slots)
	last := 0.0
	for _, hours := range jobs {
		end := free[0] + hours
		last = max(last, end)
		free[0] = end
		heap.Fix(&free, 0)
	}
	return last
}

// times is a heap of when slots are free.
type times []float64

// Len is of heap.Interface, as what follows.
func (t times) Len() int           { return len(t) }
func (t times) Less(i, j int) bool { return cmp.Less(t[i], t[j]) }
func (t times) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }

// Push adds a time.
func (t *times) Push(x any) { *t = append(*t, x.(float64)) }

// Pop takes the last.
func (t *times) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}

// Limit is something that a scale goes beyond.
type Limit struct {
	What  string
	Users float64 // of all organizations, sized as in the simulation, with which it begins
}

// Limits are what breaks first, in order, for organizations as many as the scale has: the smallest number of users at which each limit is passed.
func Limits(in Inputs, s Scale) []Limit {
	perHour := in.RPM * in.UsedRate * 60
	largest := slices.Max(sizes(s.Orgs, 1)) // its share
	limits := []Limit{
		{"the largest organization's models get older than 30 days (its model budget)", in.BudgetHours * perHour * in.ModelDays / largest},
		{"the largest organization's sweep takes longer than the night (its rate limit)", s.Hours * perHour / in.ListPerUser / largest},
		{"the mean organization's sweep takes longer than the night (its rate limit)", s.Hours * perHour / in.ListPerUser * float64(s.Orgs)},
		{"the publisher's memory holds no longer all rows of a table: it is read twice", in.onePass(s)},
		{"the publisher's time is longer than the night (one process, one core)", in.publisherTime(s)},
	}
	slices.SortFunc(limits, func(a, b Limit) int { return cmp.Compare(a.Users, b.Users) })
	return limits
}

// publisherTime is the number of users with which publishing takes longer than the night, passes and all.
func (in Inputs) publisherTime(s Scale) float64 {
	for passes := 1.0; ; passes++ {
		most := s.Hours * 3600 / in.PublishCPU / passes
		if most < in.onePass(s)*passes {
			return max(most, in.onePass(s)*(passes-1))
		}
	}
}

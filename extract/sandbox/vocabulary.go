package sandbox

// The words that a population is made of. All of them are invented; mail domains are those reserved for examples.

// name is a name as people write it and as their mail address does.
type name struct{ written, plain string }

var firstNames = []name{
	{"Jane", "jane"}, {"Tomás", "tomas"}, {"Zoë", "zoe"}, {"محمد", "mohammed"}, {"李雷", "lei"}, {"Анна", "anna"}, {"Nguyễn", "nguyen"},
	{"Siobhán", "siobhan"}, {"Ólafur", "olafur"}, {"Priya", "priya"}, {"अनिल", "anil"}, {"さくら", "sakura"}, {"지훈", "jihoon"},
	{"Łucja", "lucja"}, {"Chloé", "chloe"}, {"Mateo", "mateo"}, {"Aïcha", "aicha"}, {"Δημήτρης", "dimitris"}, {"נועה", "noa"},
	{"Kwame", "kwame"}, {"Oluwaseun", "oluwaseun"}, {"Ingrid", "ingrid"}, {"Jürgen", "juergen"}, {"François", "francois"},
	{"Beatriz", "beatriz"}, {"Ama", "ama"}, {"Noah", "noah"}, {"Mia", "mia"}, {"Ann Lee", "annlee"}, {"D'Arcy", "darcy"},
	{"Marisol", "marisol"}, {"Thabo", "thabo"}, {"สมชาย", "somchai"}, {"Ewa", "ewa"}, {"Hamza", "hamza"}, {"Grace", "grace"},
}

var lastNames = []name{
	{"Doe", "doe"}, {"Ødegård", "odegard"}, {"O'Brien", "obrien"}, {"Smith-Jones", "smithjones"}, {"van der Berg", "vanderberg"},
	{"Łukasiewicz", "lukasiewicz"}, {"שלום", "shalom"}, {"García Márquez", "garciamarquez"}, {"Müller", "mueller"}, {"王", "wang"},
	{"Иванова", "ivanova"}, {"الخطيب", "alkhatib"}, {"Þórsdóttir", "thorsdottir"}, {"Nakamura", "nakamura"}, {"김", "kim"},
	{"Okonkwo", "okonkwo"}, {"Sharma", "sharma"}, {"Papadopoulou", "papadopoulou"}, {"D’Angelo", "dangelo"}, {"Ng", "ng"},
	{"Castro", "castro"}, {"Nowak", "nowak"}, {"Dubois", "dubois"}, {"Mbeki", "mbeki"}, {"Trần", "tran"}, {"Weiß", "weiss"},
	{"Johnson", "johnson"}, {"Åkesson", "akesson"}, {"Silva", "silva"}, {"-", "none"},
}

var (
	mailDomains = []string{"example.com", "example.org", "example.net", "mail.example.com"}
	zones       = []string{"America/New_York", "America/Chicago", "Europe/Zurich", "Asia/Kathmandu", "Pacific/Chatham", "UTC", "Australia/Lord_Howe"}
	languages   = []string{"eng", "eng", "eng", "spa", "deu", "fra", "en", "de", "zho"}
	keyterms    = []string{"metoprolol", "a-fib", "statin", "peak flow", "sertraline", "insulin"}
	nicknames   = []string{"Bé", "a\u0301ngel", "مرحبا", "🦆", "", " padded ", "semi;colon,comma\"quote", "tab\tnew\nline"}
	themes      = []string{"dark", "light", "high-contrast"}

	// Numbers as JSON writes them, small and beyond what a float or 64 bits can hold.
	volumes = []string{"0", "7", "11", "-3", "2147483648", "9007199254740993", "-9007199254740993"}
	serials = []string{"1", "42", "9223372036854775807", "9223372036854775808", "123456789012345678901234567890"}
	ratios  = []string{"0.5", "0.30000000000000004", "1.50", "2.5e-3", "12.125"}
)

var contexts = []string{
	"Care Recipient: Bella, Age 5", "Exercises three times a week (mostly swimming).", "Employer: Ünïcode GmbH", "Allergy: penicillin",
	"Prefers mornings", "Insurance: plan \"B\"; tier 2", "لا يدخن", "Pharmacy: 12 High Street, closed on Sundays", "Goal: walk 8,000 steps: five days a week",
	"Lives with two cats 🐈 and a parrot", "Interpreter: Español", "PCP: Dr. Ødegård", "Reads: large print", "Next of kin: sister\nCalls after 6 p.m.",
}

var dimensions = []dimension{
	{"Medical History & Conditions", []string{"medical history", "conditions", "chronic disease"}},
	{"Daily life", []string{"sleep", "nutrition", "exercise"}},
	{"Goals and motivation", []string{"goals", "motivation"}},
	{"Santé mentale", []string{"humeur", "stress", "sommeil"}},
	{"Social support", []string{}},
}

var contents = []string{
	"Has hypertension and type 2 diabetes, both managed with medication.", "Walks \"daily\", weather permitting.",
	"Schläft schlecht, seit die Schichten wechseln.", "Wants to come off the night shift.\nHas asked twice.",
	"Prefers short messages and dislikes being called.", "Feels supported by family; sister attends appointments.", "血圧は安定している。",
	"Is anxious about the operation in spring.", "Learns quickly from pictures, less so from text.",
}

var variableValues = []struct {
	name   string
	values []string
}{
	{"member_tier", []string{"gold", "silver", "größer"}},
	{"plan", []string{"B", "PPO-2", ""}},
	{"site", []string{"001", "042", "1e3"}},
	{"cohort_2025", []string{"control", "treatment"}},
}

var secretNames = []string{"ehr_token", "pin", "insurance_number"}

var memoryTexts = []string{
	"Likes tea in the afternoon.", "Moved house last spring.", "Was pleased with the new inhaler.", "Mentioned a trip to Kraków.",
	"Forgot the evening dose twice this week.", "Asked how to read the lab report.",
}

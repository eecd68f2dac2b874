package rawjson

import "testing"

// The JSON of a usual user: what the hash of a row reads.
var usual = [][]byte{
	[]byte(`{"enable_response_recommendation":false,"preferred_language":"eng","conversations_visible_to_admins":true,"user_model_visible_to_admins":true,"timezone":"America/New_York","audio_keyterms":["metoprolol","a-fib"],"notifications":{"email":true,"sms":false,"quiet_hours":{"from":22,"to":7}},"volume":0.75}`),
	[]byte(`["Care Recipient: Bella, Age 5","Exercises three times a week (mostly swimming).","Prefers: short answers"]`),
	[]byte(`[{"content":"Tony has hypertension and Type 2 diabetes managed with medication.","insight_ids":["67fe9cca0e3bf2dbf54e4ef5","67fe9cca0e3bf2dbf54e4ef6"],"dimensions":[{"description":"Medical History & Conditions","tags":["medical history","conditions","chronic disease"]}]},{"content":"Tony walks his dog in the morning and \"never\" in the evening.","insight_ids":[],"dimensions":[{"description":"Lifestyle","tags":["exercise"]}]}]`),
}

func BenchmarkAppendCanonical(b *testing.B) {
	var buf []byte
	size := 0
	for _, v := range usual {
		size += len(v)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		buf = buf[:0]
		for _, v := range usual {
			buf = AppendCanonical(buf, v)
		}
	}
}

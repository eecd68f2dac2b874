package report

import (
	"encoding/json"
	"testing"
)

func TestNumbersForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := Count(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	for n, want := range map[int64]string{0: "0 bytes", 999: "999 bytes", 1000: "1.0 kB", 12_345_678: "12.3 MB", 3_000_000_000_000: "3.0 TB"} {
		if got := Size(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	for share, want := range map[string]string{"0.0": "0 %", "1.0": "100 %", "0.001": "<1 %", "0.999": ">99 %", "0.435": "44 %", "x": ""} {
		n := json.Number(share)
		if got := Percent(&n); got != want {
			t.Errorf("%s: %s", share, got)
		}
	}
	if got := Percent(nil); got != "" {
		t.Errorf("of nothing: %s", got)
	}
}

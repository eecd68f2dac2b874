package extract_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/rollcall-data/rollcall/extract"
)

// TestSecret: there is no way to print one by accident, alone or inside of something.
func TestSecret(t *testing.T) {
	const value = "hunter2"
	s := extract.Secret(value)
	if s.Reveal() != value {
		t.Error("Reveal does not")
	}
	held := struct {
		Key  extract.Secret
		Keys []extract.Secret
		Map  map[string]extract.Secret
		Ptr  *extract.Secret
	}{s, []extract.Secret{s}, map[string]extract.Secret{"k": s}, &s}
	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%10s", "%T %[1]v", "%.3s", "%c", "%U"} {
		printed = append(printed, fmt.Sprintf(verb, s), fmt.Sprintf(verb, held), fmt.Sprintf(verb, &held))
	}
	asJSON, err1 := json.Marshal(held)
	asYAML, err2 := yaml.Marshal(held)
	asXML, err3 := xml.Marshal(s)
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "key", s, "held", held)
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "key", s)
	printed = append(printed, string(asJSON), string(asYAML), string(asXML), log.String(), fmt.Sprint(s), s.String(), s.GoString(),
		fmt.Errorf("with %w and %v", fmt.Errorf("%v", s), s).Error())
	for _, p := range printed {
		if strings.Contains(p, "hunter") || strings.Contains(p, "68756e74") {
			t.Errorf("printed %s", p)
		}
	}
	if got := fmt.Sprintf("%v|%q", s, s); got != "**redacted**|**redacted**" {
		t.Errorf("got %s", got)
	}
	if got := fmt.Sprint(extract.Secret("")); got != "" {
		t.Errorf("an empty secret prints as %s", got)
	}
	if string(asJSON[:21]) != `{"Key":"**redacted**"` || !strings.Contains(string(asYAML), "'**redacted**'") && !strings.Contains(string(asYAML), `"**redacted**"`) {
		t.Errorf("marshalled as %s and %s", asJSON, asYAML)
	}
}

func TestRPM(t *testing.T) {
	for text, want := range map[string]extract.RPM{"": extract.RPMAuto, "auto": extract.RPMAuto, "none": extract.RPMNone, "1": 1, "1800": 1800} {
		got, err := extract.ParseRPM(text)
		if err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		back, _ := got.MarshalText()
		var again extract.RPM
		if err := again.UnmarshalText(back); err != nil || again != want {
			t.Errorf("%q came back as %v, %v", back, again, err)
		}
	}
	for _, text := range []string{"0", "-1", "1.5", "AUTO", "60/min", "9999999999", "0x10", " 1"} {
		r := extract.RPM(7)
		if err := r.UnmarshalText([]byte(text)); err == nil || r != 7 {
			t.Errorf("%q: %v, %v", text, r, err)
		}
	}
}

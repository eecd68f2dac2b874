package tracing

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
)

// receive is a collector; it answers with the status.
func receive(t *testing.T, status int) (url string, got *collector.ExportTraceServiceRequest, raw *[]byte) {
	t.Helper()
	got, raw = &collector.ExportTraceServiceRequest{}, new([]byte)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("X-Key") != "secret" {
			t.Errorf("%s, %v", r.URL.Path, err)
		}
		*raw = body
		if err := proto.Unmarshal(body, got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.URL, got, raw
}

func failed() *pipeline.Summary {
	return &pipeline.Summary{
		RunID: "run-1", Command: "sync", StartedAt: "2026-01-01T00:00:00Z", Status: pipeline.Failed, Orgs: []string{"acme"}, Users: 30, Seconds: 12.5, Error: "CANARY-error",
		Certificate: pipeline.Certificate{As: "CANARY-as"}, Requests: pipeline.Requests{List: 8},
		Stages: []pipeline.Stage{{Name: "open", Started: "2026-01-02T02:00:00Z", Seconds: 0.5}, {Name: "extract", Started: "2026-01-02T02:00:00.5Z", Seconds: 10}},
	}
}

func TestSend(t *testing.T) {
	url, got, raw := receive(t, http.StatusOK)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=night")
	if err := Send(t.Context(), failed(), "v1"); err != nil {
		t.Fatal(err)
	}
	if len(got.GetResourceSpans()) != 1 || len(got.GetResourceSpans()[0].GetScopeSpans()) != 1 {
		t.Fatalf("%v", got)
	}
	resource := map[string]string{}
	for _, a := range got.GetResourceSpans()[0].GetResource().GetAttributes() {
		resource[a.GetKey()] = a.GetValue().GetStringValue()
	}
	if resource["service.name"] != "rollcall" || resource["service.version"] != "v1" || resource["deployment.environment"] != "night" {
		t.Errorf("%v", resource)
	}
	var lines []string
	byName := map[string]*spans.Span{}
	for _, s := range got.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans() {
		byName[s.GetName()] = s
		lines = append(lines, s.GetName()+" "+time.Unix(0, int64(s.GetStartTimeUnixNano())).UTC().Format("15:04:05.0")+" "+time.Unix(0, int64(s.GetEndTimeUnixNano())).UTC().Format("15:04:05.0"))
	}
	want := []string{"open 02:00:00.0 02:00:00.5", "extract 02:00:00.5 02:00:10.5", "rollcall sync 02:00:00.0 02:00:12.5"}
	if d := cmp.Diff(want, lines); d != "" {
		t.Fatal(d)
	}
	run, open := byName["rollcall sync"], byName["open"]
	if len(run.GetParentSpanId()) != 0 || string(open.GetParentSpanId()) != string(run.GetSpanId()) || run.GetStatus().GetCode() != spans.Status_STATUS_CODE_ERROR || len(run.GetAttributes()) < 15 {
		t.Errorf("%v\n%v", run, open)
	}
	if strings.Contains(string(*raw), "CANARY") {
		t.Error("an error or an identity is in it")
	}
}

func TestWhoTakesNoTraces(t *testing.T) {
	url, _, _ := receive(t, http.StatusBadRequest)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	if err := Send(t.Context(), failed(), "v1"); err == nil || !strings.HasPrefix(err.Error(), "send the trace: ") {
		t.Errorf("%v", err)
	}
}

func TestEnabled(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, false}, {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, false}, {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318/v1/traces"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_SDK_DISABLED": "TRUE"}, false},
	} {
		if got := Enabled(func(name string) (string, bool) { v, ok := tt.env[name]; return v, ok }); got != tt.want {
			t.Errorf("%v: %t", tt.env, got)
		}
	}
}

// Package tracing tells a collector of OpenTelemetry how long a run took, and what of it: a trace with a span for each stage, sent by OTLP over HTTP when the
// run has ended.
//
// It is off unless OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set; it follows the other standard variables too (headers, timeout,
// certificates, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_SDK_DISABLED). A trace has counts, statuses, the run's id and its organizations; no error's
// text, and nothing of a user. Send fails where nobody takes it, which is no failure of the run.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
)

// timeout is for all of Send.
const timeout = 15 * time.Second

// Enabled tells whether the environment asks for traces. env looks up a variable, as os.LookupEnv does.
func Enabled(env func(string) (string, bool)) bool {
	set := func(name string) string { v, _ := env(name); return v }
	return !strings.EqualFold(set("OTEL_SDK_DISABLED"), "true") && set("OTEL_EXPORTER_OTLP_ENDPOINT")+set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// Send sends the trace of a run that has ended. It does so also when the context has ended.
func Send(ctx context.Context, s *pipeline.Summary, release string) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return fmt.Errorf("send the trace: %w", withoutURL(err))
	}
	defer func() { err = errors.Join(err, exporter.Shutdown(ctx)) }()
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(attribute.String("service.name", "rollcall"), attribute.String("service.version", release)), resource.WithFromEnv())
	if err != nil {
		return fmt.Errorf("send the trace: %w", err)
	}
	spans := &ended{}
	provider := sdk.NewTracerProvider(sdk.WithSyncer(spans), sdk.WithResource(about), sdk.WithSampler(sdk.AlwaysSample()))
	record(ctx, provider.Tracer("rollcall"), s)
	if err := exporter.ExportSpans(ctx, spans.all); err != nil {
		return fmt.Errorf("send the trace: %w", withoutURL(err))
	}
	return nil
}

// record makes a span of the run, and one of each of its stages.
func record(ctx context.Context, tracer trace.Tracer, s *pipeline.Summary) {
	began := at(s.StartedAt)
	if len(s.Stages) > 0 { // the run's clock is from when it was first begun, and this process may have gone on with it
		began = at(s.Stages[0].Started)
	}
	ctx, run := tracer.Start(ctx, "rollcall "+s.Command, trace.WithTimestamp(began), trace.WithNewRoot(), trace.WithAttributes(attributes(s)...))
	for _, stage := range s.Stages {
		from := at(stage.Started)
		_, span := tracer.Start(ctx, stage.Name, trace.WithTimestamp(from))
		span.End(trace.WithTimestamp(from.Add(seconds(stage.Seconds))))
	}
	if s.Status == pipeline.Failed || s.Status == pipeline.Interrupted {
		run.SetStatus(codes.Error, string(s.Status))
	}
	run.End(trace.WithTimestamp(began.Add(seconds(s.Seconds))))
}

func attributes(s *pipeline.Summary) []attribute.KeyValue {
	out := []attribute.KeyValue{
		attribute.String("rollcall.run_id", s.RunID), attribute.String("rollcall.status", string(s.Status)), attribute.String("rollcall.source", s.Source),
		attribute.StringSlice("rollcall.orgs", s.Orgs), attribute.Bool("rollcall.certified", s.Certificate.Certified), attribute.Bool("rollcall.published", s.Published),
	}
	for name, n := range map[string]int64{
		"users": s.Users, "added": s.Added, "changed": s.Changed, "enriched": s.Enriched, "deleted": s.Deleted, "deletes_held": s.DeletesHeld,
		"quarantined_rows": s.QuarantinedRows, "quarantined_cells": s.QuarantinedCells, "bytes_received": s.BytesReceived,
		"requests.list": int64(s.Requests.List), "requests.model": int64(s.Requests.Model), "requests.retried": int64(s.Requests.Retried), "requests.throttled": int64(s.Requests.Throttled),
	} {
		out = append(out, attribute.Int64("rollcall."+name, n))
	}
	return out
}

func at(text string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, text) // written by this program; else it is the zero time
	return t
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// withoutURL leaves the cause: a URL can carry a password.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// ended keeps spans, so that sending them is one call that says whether it went well.
type ended struct{ all []sdk.ReadOnlySpan }

// ExportSpans keeps them.
func (e *ended) ExportSpans(_ context.Context, spans []sdk.ReadOnlySpan) error {
	e.all = append(e.all, spans...)
	return nil
}

// Shutdown has nothing to do.
func (e *ended) Shutdown(context.Context) error { return nil }

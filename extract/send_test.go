package extract

import "testing"

// TestOwnTransport: a proxy from the environment is honoured, TLS is verified, and as many connections are kept as are used.
func TestOwnTransport(t *testing.T) {
	tr := newTransport(24)
	if tr.Proxy == nil || tr.TLSClientConfig != nil || tr.MaxIdleConnsPerHost != 24 || tr.DisableKeepAlives || tr.DisableCompression {
		t.Errorf("%+v", tr)
	}
}

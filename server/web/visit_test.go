package web_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/server/rpc"
	"github.com/langevin-ml/langevin/server/web"
)

// unobserved does not count the requests that end.
type unobserved struct{ rpc.Observer }

func (unobserved) CallEnded(string, string, string) {}

// TestPanicsAreAnswered: a request whose answer cannot be made gets INTERNAL instead, and its cause is logged under its
// id. What has begun is cut off.
func TestPanicsAreAnswered(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	server := httptest.NewServer(web.Recorded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			io.WriteString(w, "half of the answer")
		}
		panic("a shape of other elements")
	}), func(r *http.Request) (context.Context, web.Visit) {
		return rpc.Arrive(r.Context(), []string{"broken-" + r.URL.Path[1:]}, logger, unobserved{})
	}))
	defer server.Close()
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	resp, err := server.Client().Get(server.URL + "/early")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text := read(t, resp); resp.StatusCode != http.StatusInternalServerError ||
		!strings.Contains(text, `"code":"INTERNAL"`) || !strings.Contains(text, "broken-early") {
		t.Errorf("answered %d %s, want INTERNAL with the id", resp.StatusCode, text)
	}
	late, err := server.Client().Get(server.URL + "/late")
	if err == nil {
		defer late.Body.Close()
		_, err = io.ReadAll(late.Body)
	}
	if err == nil {
		t.Error("an answer that broke off looks complete")
	}
	server.Close() // the handlers have ended
	for _, id := range []string{"broken-early", "broken-late"} {
		if want := "request_id=" + id + " method=other error=\"panic: a shape of other elements"; !strings.Contains(
			log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, log.String())
		}
	}
}

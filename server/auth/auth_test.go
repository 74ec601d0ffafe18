package auth

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTokensReload: a changed file takes effect within a second, and a broken file changes only the log.
func TestTokensReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	first, firstLine := NewToken("alice", ScopeSample)
	second, secondLine := NewToken("alice", ScopeSample, ScopeAdmin)
	write(t, file, "# owners\n\n"+firstLine+" # until spring\n")
	var log bytes.Buffer
	tokens, err := OpenTokens(file, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Now()
	tokens.file.now = func() time.Time { return clock }
	if c, ok := tokens.find(first); !ok || c.name != "alice" || !slices.Equal(c.scopes, []Scope{ScopeSample}) {
		t.Errorf("the first token belongs to %+v, %v", c, ok)
	}
	write(t, file, firstLine+"\n"+secondLine+"\n")
	if _, ok := tokens.find(second); ok {
		t.Error("the file was read again within a second")
	}
	clock = clock.Add(2 * checkEvery)
	for _, token := range []string{first, second} {
		if _, ok := tokens.find(token); !ok {
			t.Error("the changed file is not in force")
		}
	}
	write(t, file, "alice sample\n")
	clock = clock.Add(2 * checkEvery)
	if _, ok := tokens.find(first); !ok {
		t.Error("after a broken file the old one is no longer in force")
	}
	if !strings.Contains(log.String(), "tokens:1: 2 columns") {
		t.Errorf("the log does not say what is wrong:\n%s", &log)
	}
	write(t, file, secondLine+"\n")
	clock = clock.Add(2 * checkEvery)
	if _, ok := tokens.find(first); ok {
		t.Error("a token that was removed from the file still works")
	}
	for _, token := range []string{"", "langevin_", first + "x", strings.Fields(firstLine)[2]} {
		if _, ok := tokens.find(token); ok {
			t.Errorf("%q is a token", token)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(2 * checkEvery)
	if _, ok := tokens.find(second); !ok {
		t.Error("after the file is gone its tokens are no longer in force")
	}
	write(t, file, "# nobody\n")
	clock = clock.Add(2 * checkEvery)
	if _, ok := tokens.find(second); ok {
		t.Error("the last token was removed from the file and still works")
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "every call is refused") {
		t.Errorf("the log does not say that nobody can call:\n%s", &log)
	}
}

func TestTokensRefused(t *testing.T) {
	hash := strings.Repeat("0", 64)
	for text, want := range map[string]string{
		"":                            "has no tokens",
		"# nobody":                    "has no tokens",
		"alice sample":                ":1: 2 columns",
		"alice sample,root " + hash:   `scope is "root": want sample or admin`,
		"alice, sample " + hash:       `name is "alice,"`,
		"\nalice sample abc":          ":2: a hash of 3 characters",
		"alice sample " + hash + "0":  "a hash of 65 characters",
		"alice sample " + hash + " x": ":1: 4 columns",
	} {
		file := filepath.Join(t.TempDir(), "tokens")
		write(t, file, text)
		if _, err := OpenTokens(file, slog.New(slog.DiscardHandler)); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v: want %q", text, err, want)
		}
	}
	if _, err := OpenTokens(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file gives %v", err)
	}
}

// TestQuota follows one bucket for a minute on a fake clock.
func TestQuota(t *testing.T) {
	l := newLedger(Quotas{RowStepsPerSecond: 100, RowStepsBurst: 1000})
	clock := time.Now()
	l.now = func() time.Time { return clock }
	for i, c := range []struct {
		after  time.Duration
		caller string
		cost   int64
		retry  time.Duration // zero: admitted
	}{
		{0, "a", 1001, -1}, // never
		{0, "a", 1000, 0},
		{0, "a", 50, 500 * time.Millisecond},
		{0, "a", 50, 500 * time.Millisecond}, // a refusal costs nothing
		{0, "b", 1000, 0},                    // others have their own account
		{500 * time.Millisecond, "a", 50, 0},
		{0, "a", 1, 10 * time.Millisecond},
		{time.Minute, "a", 1000, 0}, // never above the burst
		{0, "a", 1, 10 * time.Millisecond},
	} {
		clock = clock.Add(c.after)
		err := l.chargeRowSteps(c.caller, c.cost)
		var refused *QuotaError
		switch {
		case c.retry == 0:
			if err != nil {
				t.Errorf("%d: %v", i, err)
			}
		case !errors.As(err, &refused) || !errors.Is(err, ErrQuota):
			t.Errorf("%d: %v", i, err)
		case max(refused.Retry-c.retry, c.retry-refused.Retry) > time.Microsecond:
			t.Errorf("%d: try again in %v: want %v", i, refused.Retry, c.retry)
		}
	}
	if err := l.chargeCall("a"); err != nil {
		t.Errorf("no bound on calls gives %v", err)
	}
}

// TestAccountsAreForgotten: callers cannot fill the memory, and nobody gains when an account is removed.
func TestAccountsAreForgotten(t *testing.T) {
	l := newLedger(Quotas{CallsPerSecond: 1, CallsBurst: 2})
	clock := time.Now()
	l.now = func() time.Time { return clock }
	for i := range 3 * mostCallers {
		clock = clock.Add(time.Millisecond)
		if err := l.chargeCall(string(rune('a'+i%26)) + time.Duration(i).String()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(l.buckets); n > mostCallers {
		t.Errorf("%d accounts are kept", n)
	}
	if err := errors.Join(l.chargeCall("x"), l.chargeCall("x")); err != nil {
		t.Fatal(err)
	}
	l.forget()
	if err := l.chargeCall("x"); err == nil {
		t.Error("a removed account came back full")
	}
}

func TestAccess(t *testing.T) {
	for method, want := range map[string]access{
		"/langevin.v1.SamplingService/Sample":                 {scope: ScopeSample},
		"/langevin.v1.AdminService/LoadModel":                 {scope: ScopeAdmin},
		"/inference.GRPCInferenceService/ModelInfer":          {scope: ScopeSample},
		"/inference.GRPCInferenceService/RepositoryModelLoad": {scope: ScopeAdmin},
		"/inference.GRPCInferenceService/ServerLive":          {open: true},
		"/grpc.health.v1.Health/Watch":                        {open: true},
		"/grpc.health.v1.Health/List":                         {scope: ScopeSample},
	} {
		if got, known := accessOf(method); !known || got != want {
			t.Errorf("%s asks %+v, %v: want %+v", method, got, known, want)
		}
	}
	for _, method := range []string{"", "/", "/langevin.v1.SamplingServiceX/Sample",
		"/langevin.v1.SamplingService/x/Sample", "/x.Y/Z"} {
		if a, known := accessOf(method); known {
			t.Errorf("%q asks %+v: want it refused", method, a)
		}
	}
}

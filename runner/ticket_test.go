package runner_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner"
)

func TestTicket_CrossesTheEnvironmentOnce(t *testing.T) { // not parallel: changes the environment
	want := runner.Ticket{Pool: "default", Machine: "01J", Listen: "unix:/run/a b/ä.sock", Token: "to=ken\n"}
	entry, err := want.Env()
	if err != nil {
		t.Fatal(err)
	}
	name, value, _ := strings.Cut(entry, "=")
	if name != runner.TicketEnv || strings.ContainsAny(value, " =+/\n") {
		t.Fatalf("Env() = %q, want %s=… in base64url", entry, runner.TicketEnv)
	}
	t.Setenv(name, value)
	got, ok, err := runner.TicketFromEnv()
	if diff := cmp.Diff(want, got); !ok || err != nil || diff != "" {
		t.Errorf("TicketFromEnv: ok %t, %v (-want +got):\n%s", ok, err, diff)
	}
	if _, there := os.LookupEnv(runner.TicketEnv); there {
		t.Error("the ticket is still in the environment")
	}
	if _, ok, err := runner.TicketFromEnv(); ok || err != nil {
		t.Errorf("second TicketFromEnv: ok %t, %v; want none", ok, err)
	}
}

func TestTicketFromEnv_SaysWhatIsWrongWithoutTheToken(t *testing.T) { // not parallel: changes the environment
	encode := base64.RawURLEncoding.EncodeToString
	for name, value := range map[string]string{
		"empty":         "",
		"not base64":    "!hush!",
		"not JSON":      encode([]byte("hush")),
		"wrong types":   encode([]byte(`{"token":"hush","pool":7}`)),
		"field missing": encode([]byte(`{"token":"hush","pool":"p","machine":"m"}`)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(runner.TicketEnv, value)
			_, ok, err := runner.TicketFromEnv()
			if !ok || err == nil || !strings.Contains(err.Error(), runner.TicketEnv) {
				t.Errorf("got ok %t, error %v; want an error that names %s", ok, err, runner.TicketEnv)
			}
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("error %q tells the token", err)
			}
			if _, there := os.LookupEnv(runner.TicketEnv); there {
				t.Error("the ticket is still in the environment")
			}
		})
	}
}

func TestTicket_EnvRefusesEmptyFields(t *testing.T) {
	t.Parallel()
	for _, broken := range []func(*runner.Ticket){
		func(t *runner.Ticket) { t.Pool = "" },
		func(t *runner.Ticket) { t.Machine = "" },
		func(t *runner.Ticket) { t.Listen = "" },
		func(t *runner.Ticket) { t.Token = "" },
	} {
		tk := ticket
		broken(&tk)
		if entry, err := tk.Env(); err == nil {
			t.Errorf("Env of %v = %q, want an error", tk, entry)
		}
	}
}

func TestTicket_NeverShowsItsToken(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	spec := struct{ Ticket runner.Ticket }{ticket}
	fmt.Fprintf(&out, "%v %+v %s %+v\n", ticket, ticket, ticket, spec)
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(h).Info("booted", "ticket", ticket, "spec", spec)
	}
	if err := json.NewEncoder(&out).Encode(spec); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), ticket.Token) {
		t.Errorf("the token is in:\n%s", out.String())
	}
	if !strings.Contains(out.String(), `"machine":"m1"`) {
		t.Errorf("the machine is not in:\n%s", out.String())
	}
}

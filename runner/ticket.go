package runner

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
)

// TicketEnv is the environment variable that carries a Ticket.
const TicketEnv = "PHAROS_TICKET"

// A Ticket tells a process which machine it is. It holds a secret: Token is left out when a Ticket
// is printed by its String method, logged, or marshalled to JSON.
type Ticket struct {
	Pool    string // the pool's name
	Machine string // the launch id of this machine
	Listen  string // "unix:/absolute/path" or "host:port"
	Token   string `json:"-"` // what callers must show
}

// ticketWire is a Ticket in its environment variable. Fields are only ever added.
type ticketWire struct {
	Pool    string `json:"pool"`
	Machine string `json:"machine"`
	Listen  string `json:"listen"`
	Token   string `json:"token"`
}

// Env returns t as an entry of a process's environment. It fails on a ticket with an empty field.
func (t Ticket) Env() (string, error) {
	if err := t.check(); err != nil {
		return "", err
	}
	b, err := json.Marshal(ticketWire(t))
	if err != nil {
		return "", fmt.Errorf("encode ticket of machine %s: %w", t.Machine, err)
	}
	return TicketEnv + "=" + base64.RawURLEncoding.EncodeToString(b), nil
}

// TicketFromEnv takes the ticket out of this process's environment, so that nothing it starts
// inherits the token. Without one, ok is false and err nil.
func TicketFromEnv() (t Ticket, ok bool, err error) {
	text, ok := os.LookupEnv(TicketEnv)
	if !ok {
		return Ticket{}, false, nil
	}
	if err := os.Unsetenv(TicketEnv); err != nil {
		return Ticket{}, true, fmt.Errorf("remove %s from the environment: %w", TicketEnv, err)
	}
	if t, err = parseTicket(text); err != nil {
		return Ticket{}, true, fmt.Errorf("read %s: %w", TicketEnv, err)
	}
	return t, true, nil
}

// parseTicket is the inverse of Env. Its errors do not quote the text, which holds the token.
func parseTicket(text string) (Ticket, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return Ticket{}, errors.New("not base64url without padding")
	}
	var w ticketWire
	if err := json.Unmarshal(b, &w); err != nil {
		return Ticket{}, errors.New("not a ticket in JSON")
	}
	t := Ticket(w)
	return t, t.check()
}

// check says which field of t is missing.
func (t Ticket) check() error {
	for _, field := range []struct{ name, value string }{
		{"pool", t.Pool}, {"machine", t.Machine}, {"address to listen on", t.Listen}, {"token", t.Token},
	} {
		if field.value == "" {
			return fmt.Errorf("ticket of machine %q has no %s", t.Machine, field.name)
		}
	}
	return nil
}

// String describes t without its token.
func (t Ticket) String() string {
	return fmt.Sprintf("machine %s of pool %s at %s", t.Machine, t.Pool, t.Listen)
}

// LogValue implements slog.LogValuer: all but the token.
func (t Ticket) LogValue() slog.Value {
	return slog.GroupValue(slog.String("pool", t.Pool), slog.String("machine", t.Machine), slog.String("listen", t.Listen))
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/pharos-live/pharos/internal/registry"
)

// psReport is what `pharos ps --json` prints.
type psReport struct {
	Runners    []registry.Runner `json:"runners"`
	Broadcasts []registry.Live   `json:"broadcasts"`
}

// runPS prints runners and broadcasts, as the registry knows them.
func runPS(ctx context.Context, p *process, args []string) error {
	var c config
	asJSON := false
	if i := slices.Index(args, "--json"); i >= 0 {
		asJSON, args = true, slices.Delete(slices.Clone(args), i, i+1)
	}
	if err := noArguments("ps [--json]", "Prints runners and broadcasts, as the registry knows them.", c.registrySettings(), args, p); err != nil {
		return err
	}
	reg, err := attach(&c)
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var report psReport
	if report.Runners, err = reg.Runners(ctx); err != nil {
		return fmt.Errorf("list runners: %w", err)
	}
	if report.Broadcasts, err = reg.Lives(ctx); err != nil {
		return fmt.Errorf("list broadcasts: %w", err)
	}
	if asJSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	}
	return report.table(p.stdout, time.Now())
}

func (r psReport) table(w io.Writer, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "RUNNER\tHOST\tPID\tSLOTS\tSTATE\tUP")
	for _, m := range r.Runners {
		state := "ready"
		if m.Retiring {
			state = "retiring"
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d/%d\t%s\t%s\n", m.Machine, m.Host, m.PID, m.Used, m.Slots, state, now.Sub(m.Started).Round(time.Second))
	}
	fmt.Fprintln(t, "\nCHANNEL\tBROADCAST\tSTATE\tRUNNER\tSERVER\tSOURCE\tUP")
	for _, b := range r.Broadcasts {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s %s\t%s\n", b.Channel, b.Broadcast, b.State, b.Machine, b.Server, b.Video, b.Audio, now.Sub(b.Started).Round(time.Second))
	}
	return t.Flush()
}

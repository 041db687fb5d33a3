package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// document is what a pool's ledger holds.
type document struct {
	// Launches are the machines that are reserved, oldest first.
	Launches []string `json:"launches"`
}

// reservations are one pool's entries in its ledger.
type reservations struct {
	ledger Ledger
	pool   string
	max    int
}

// reserve enters as many of the launches as Max leaves room for, the first first,
// in one swap. It returns those that it entered, and how many entries there are
// now. It tries again while other parents change the document.
func (r reservations) reserve(ctx context.Context, launches []string) (granted []string, total int, err error) {
	err = r.change(ctx, func(d *document) bool {
		granted = launches[:min(len(launches), max(0, r.max-len(d.Launches)))]
		total = len(d.Launches) + len(granted)
		d.Launches = append(d.Launches, granted...)
		return len(granted) > 0
	})
	return granted, total, err
}

// holds reports whether the launch is still reserved.
func (r reservations) holds(ctx context.Context, launch string) (bool, error) {
	d, _, err := r.load(ctx)
	return slices.Contains(d.Launches, launch), err
}

// release takes the launch out. One that is not there is not an error.
func (r reservations) release(ctx context.Context, launch string) error {
	return r.change(ctx, func(d *document) bool {
		n := len(d.Launches)
		d.Launches = slices.DeleteFunc(d.Launches, func(l string) bool { return l == launch })
		return len(d.Launches) != n
	})
}

// change applies edit, which says whether it changed anything, by compare-and-swap.
func (r reservations) change(ctx context.Context, edit func(*document) bool) error {
	for attempt := 0; ; attempt++ {
		d, version, err := r.load(ctx)
		if err != nil {
			return err
		}
		if !edit(&d) {
			return nil
		}
		doc, err := json.Marshal(d)
		if err != nil {
			return fmt.Errorf("encode ledger document of pool %s: %w", r.pool, err)
		}
		_, err = r.ledger.Swap(ctx, r.pool, version, doc)
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return fmt.Errorf("write ledger document of pool %s: %w", r.pool, err)
		}
		if err := sleep(ctx, backoff(attempt)/50); err != nil { // 1 to 100 ms
			return err
		}
	}
}

func (r reservations) load(ctx context.Context) (d document, version string, err error) {
	doc, version, err := r.ledger.Load(ctx, r.pool)
	if err != nil {
		return d, "", fmt.Errorf("read ledger document of pool %s: %w", r.pool, err)
	}
	if len(doc) == 0 {
		return d, version, nil
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return d, "", fmt.Errorf("decode ledger document of pool %s: %w", r.pool, err)
	}
	return d, version, nil
}

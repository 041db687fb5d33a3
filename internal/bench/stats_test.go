package main

import (
	"testing"
	"time"
)

func TestQuantile_IsTheNearestRank(t *testing.T) {
	t.Parallel()
	ten := []int{7, 3, 10, 1, 5, 2, 9, 4, 8, 6}
	tests := []struct {
		name string
		v    []int
		q    float64
		want int
	}{
		{"nothing", nil, 0.5, 0},
		{"one value is every quantile", []int{4}, 0.9, 4},
		{"the median of an even number is the lower one", ten, 0.5, 5},
		{"the median of an odd number is the middle", []int{9, 1, 5}, 0.5, 5},
		{"nine in ten", ten, 0.9, 9},
		{"a little more takes the next", ten, 0.901, 10},
		{"the least", ten, 0, 1},
		{"the greatest", ten, 1, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := quantile(tt.v, tt.q); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
	if ten[0] != 7 {
		t.Error("quantile sorted its argument")
	}
}

func TestMs_KeepsThreeFigures(t *testing.T) {
	t.Parallel()
	for in, want := range map[time.Duration]string{
		1234 * time.Microsecond:   "1.23",
		12345 * time.Microsecond:  "12.3",
		123456 * time.Microsecond: "123",
		-1500 * time.Microsecond:  "-1.50",
		0:                         "0.00",
	} {
		if got := ms(in); got != want {
			t.Errorf("%v: got %s, want %s", in, got, want)
		}
	}
}

func TestRatio_IsOfMedians(t *testing.T) {
	t.Parallel()
	a := []time.Duration{2, 3, 400}
	b := []time.Duration{1, 2, 2}
	if got, want := ratio(a, b), "1.50"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := ratio(a, nil), "–"; got != want {
		t.Errorf("got %s beside nothing, want %s", got, want)
	}
}

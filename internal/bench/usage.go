package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// processTime is the CPU time, user and system, that this process has used so far.
func processTime() time.Duration { return cpuTime(syscall.RUSAGE_SELF) }

// childrenTime is that of its children which have ended and were waited for.
func childrenTime() time.Duration { return cpuTime(syscall.RUSAGE_CHILDREN) }

func cpuTime(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		panic(err) // of its two arguments one is a constant and the other is ours
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// percent prints the CPU time of a second as a share of one core.
func percent(cpu time.Duration) string { return fmt.Sprintf("%.2f %%", 100*cpu.Seconds()) }

// load is the load average of the last minute, where the system tells it.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// processor is what the CPU calls itself, where the system tells it.
func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

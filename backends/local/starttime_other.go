//go:build unix && !linux

package local

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// startTime is when the process began, to the second; false if there is none, or only
// what its parent has not collected yet.
func startTime(pid int) (string, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec // A number.
	fields := strings.Fields(string(out))
	if err != nil || len(fields) < 2 || strings.HasPrefix(fields[0], "Z") {
		return "", false
	}
	return strings.Join(fields[1:], " "), true
}

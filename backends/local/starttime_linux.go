package local

import (
	"bytes"
	"os"
	"strconv"
)

// startTime is when the process began, in clock ticks since the host did; false if there
// is none, or only what its parent has not collected yet. The fields of the file are told
// in proc_pid_stat(5); the second is the name in parentheses, in which anything may be.
func startTime(pid int) (string, bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const state, starttime = 0, 19 // The third field and the 22nd: the first two are cut off.
	if len(fields) <= starttime || bytes.ContainsAny(fields[state], "ZX") {
		return "", false
	}
	return string(fields[starttime]), true
}

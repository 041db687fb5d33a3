package local

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// oomKills is how many processes of this one's control group, which its children share,
// the kernel has killed for lack of memory; 0 where nobody counts.
func oomKills() int {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(groups)) {
		id, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, path, _ := strings.Cut(rest, ":")
		switch {
		case id == "0" && controllers == "": // Version 2.
			if n, ok := oomCount("/sys/fs/cgroup" + path + "/memory.events"); ok {
				return n
			}
		case controllers == "memory": // Version 1.
			if n, ok := oomCount("/sys/fs/cgroup/memory" + path + "/memory.oom_control"); ok {
				return n
			}
		}
	}
	return 0
}

// oomCount is the number after "oom_kill" in a file of such lines.
func oomCount(path string) (int, bool) {
	f, err := os.Open(path) //nolint:gosec // Made of what the kernel says.
	if err != nil {
		return 0, false
	}
	defer f.Close() //nolint:errcheck // Only read.
	for s := bufio.NewScanner(f); s.Scan(); {
		if n, ok := strings.CutPrefix(s.Text(), "oom_kill "); ok {
			v, err := strconv.Atoi(strings.TrimSpace(n))
			return v, err == nil
		}
	}
	return 0, false
}

package ffmpeg

import (
	"slices"
	"strings"
)

// passedOn are the variables that ffmpeg gets, beside those of DeviceVariables. All others stay here: this
// process may hold credentials in its environment, and a decoder that reads strangers' input must not.
var passedOn = []string{"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "LANG", "LANGUAGE"}

// DeviceVariables are the environment variables that say which card, driver and libraries ffmpeg is to use:
// NVIDIA's, VA-API's, and what Xilinx's setup.sh sets. They hold no credentials.
func DeviceVariables() []string {
	return []string{
		"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "LIBVA_DRIVER_NAME", "LIBVA_DRIVERS_PATH",
		"XILINX_XRT", "XILINX_XRM", "XRM_RESERVE_ID", "XRT_INI_PATH",
	}
}

// environ is the part of all, in the form of os.Environ, that ffmpeg gets, and LC_… with it. It is
// never nil, which os/exec would take for all of this process's environment.
func environ(all []string) []string {
	// Escape sequences are of no use in a log.
	env := []string{"AV_LOG_FORCE_NOCOLOR=1"}
	names := append(DeviceVariables(), passedOn...)
	for _, kv := range all {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "LC_") || slices.Contains(names, name) {
			env = append(env, kv)
		}
	}
	return env
}

//go:build unix && !linux

package ffmpeg

import "syscall"

// sysProcAttr gives ffmpeg its own process group. Where the kernel does not kill children of a dead
// parent, the end of file on standard input ends ffmpeg.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

func pinThread() (unpin func()) { return func() {} }

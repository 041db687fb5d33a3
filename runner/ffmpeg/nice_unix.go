//go:build unix

package ffmpeg

import "syscall"

// background is the nice value of a process that is to stand back.
const background = 10

// standBack lowers the priority of a process that has just been started, and with it of the threads that
// it is going to start. Where that is not allowed it stays as it is.
func standBack(pid int) { _ = syscall.Setpriority(syscall.PRIO_PROCESS, pid, background) }

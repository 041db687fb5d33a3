package ffmpeg

import (
	"runtime"
	"syscall"
)

// sysProcAttr gives ffmpeg its own process group, so that a Ctrl-C at a terminal ends it in our
// order, and has the kernel kill it when its parent dies, however that happens.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// pinThread keeps the calling goroutine on its thread until unpin. prctl(2) says of PR_SET_PDEATHSIG:
// 'the "parent" in this case is considered to be the thread that created this process', so the
// thread that starts ffmpeg has to live as long as ffmpeg does.
func pinThread() (unpin func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

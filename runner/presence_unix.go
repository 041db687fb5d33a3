//go:build unix

package runner

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// inheritedPipe makes descriptor fd, which must be a pipe, this process's own: nothing it starts
// inherits it, and Close ends a Read under way, which takes the non-blocking mode.
func inheritedPipe(fd int) (*os.File, error) {
	syscall.CloseOnExec(fd)
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	f := os.NewFile(uintptr(fd), "presence")
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Type() != fs.ModeNamedPipe {
		return nil, fmt.Errorf("it is no pipe but %s", info.Mode().Type())
	}
	return f, nil
}

package serve

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// Listen opens a TCP listener on addr, "host:port". name is the setting that addr came from;
// the error is one line made for the operator, such as
//
//	listen on PHAROS_HTTP_ADDR=:8080: address already in use
//
// and wraps the system's error number.
func Listen(name, addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s=%s: %w", name, addr, reason(err))
	}
	return ln, nil
}

// reason takes off what package net wraps around the cause: it repeats the address, without
// the setting.
func reason(err error) error {
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		return call.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

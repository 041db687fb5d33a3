// Package local makes machines that are processes of this host: children that run
// this program's own build, each with a unix socket in one private directory. It
// works on Unix systems.
//
// # A machine
//
// It is a direct child in a process group of its own, so that a Ctrl-C for the parent
// does not reach it. It has the parent's executable, even after a deploy has replaced
// the file, and of the parent's environment PATH, HOME, TMPDIR, LANG and TZ; the rest
// is what the Spec says. Its standard input is /dev/null. Its standard output and
// error go to a file, not a pipe, so that it may outlive its parent; the parent follows
// the file and copies it, line by line. File descriptor 3 is a pipe that only the
// parent holds the other end of: its EOF tells the child that the parent has died.
//
// # The directory
//
//	<launch>.json   the entry: pool, socket, process id and when that process began; no token
//	<launch>.sock   where the runner listens
//	<launch>.log    what it writes
//
// It belongs to this user alone (mode 0700), and all parents of this user share it: List,
// Dial and Destroy cover every machine of a pool name on this host, whoever booted it. A
// machine's files go when it ends; those of a machine whose parent died before it, when
// any parent next boots or lists. A process counts as the machine only if its id and
// its start time agree with the entry, so a reused process id is never signalled.
package local

// Package arch holds the rules of the repository as tests: which package may
// import which, and what a library user's program is made to carry.
package arch

package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A setting is one flag and one environment variable of the same value. The
// flag wins over the variable, and the variable over the default.
type setting struct {
	env     string   // the variable, and the operator's name for it
	aliases []string // further variables, for those who come from elsewhere
	def     string
	shown   string // the default as -h says it, where it is not def itself
	help    string
	secret  bool               // its value is never printed; the variable keeps it out of ps, too
	set     func(string) error // parses and stores; its error says what is allowed
}

// flagName is the variable's name as a flag: PHAROS_HTTP_ADDR is --http-addr.
func (s setting) flagName() string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(s.env, "PHAROS_")), "_", "-")
}

// shownDefault is the default as people read it.
func (s setting) shownDefault() string { return cmp.Or(s.shown, s.def, "empty") }

// A settingError names the variable, the value, and what is allowed.
type settingError struct {
	name, value string
	err         error
}

func (e *settingError) Error() string {
	return fmt.Sprintf("%s=%q: %v", e.name, e.value, e.err)
}

func (e *settingError) Unwrap() error { return e.err }

// parseSettings fills the settings from flags, environment and defaults, and
// returns the arguments that are left. flag.ErrHelp means that help was asked
// for and printed to out.
func parseSettings(command, synopsis string, settings []setting, args []string, getenv func(string) (string, bool), out io.Writer) ([]string, error) {
	fs := flag.NewFlagSet("pharos "+command, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	values := make([]*string, len(settings))
	for i, s := range settings {
		values[i] = fs.String(s.flagName(), s.def, s.help)
	}
	rest, err := parseAnywhere(fs, args)
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			printHelp(out, command, synopsis, settings)
		}
		return nil, err
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for i, s := range settings {
		name, value := s.env, s.def
		if given[s.flagName()] {
			name, value = "--"+s.flagName(), *values[i]
		} else if n, v, ok := lookup(s, getenv); ok {
			name, value = n, v
		}
		if err := s.set(value); err != nil {
			if s.secret {
				value = "…"
			}
			return nil, &settingError{name: name, value: value, err: err}
		}
	}
	return rest, nil
}

// noArguments is parseSettings for commands that take flags alone.
func noArguments(command, synopsis string, settings []setting, args []string, p *process) error {
	rest, err := parseSettings(command, synopsis, settings, args, p.getenv, p.stdout)
	if err == nil && len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q: pharos %s", rest[0], command)
	}
	return err
}

// parseAnywhere takes flags before, between and behind the arguments, which it
// returns: people write them at the end.
func parseAnywhere(fs *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if fs.NArg() == 0 {
			return rest, nil
		}
		rest = append(rest, fs.Arg(0))
		args = fs.Args()[1:]
	}
}

func lookup(s setting, getenv func(string) (string, bool)) (name, value string, ok bool) {
	for _, name := range append([]string{s.env}, s.aliases...) {
		if v, ok := getenv(name); ok && v != "" {
			return name, v, true
		}
	}
	return "", "", false
}

func printHelp(out io.Writer, command, synopsis string, settings []setting) {
	fmt.Fprintf(out, "usage: pharos %s\n\n%s\n", command, synopsis)
	if len(settings) == 0 {
		return
	}
	fmt.Fprintf(out, "\nEvery setting is a flag and an environment variable; the flag wins.\n\n")
	for _, s := range settings {
		def := s.shownDefault()
		fmt.Fprintf(out, "  --%-26s %s (default %s)\n      %s\n", s.flagName(), s.env, def, s.help)
		if len(s.aliases) > 0 {
			fmt.Fprintf(out, "      also read: %s\n", strings.Join(s.aliases, ", "))
		}
	}
}

// The parsers below store what they read, and say what they take.

func intoString(to *string) func(string) error {
	return func(v string) error { *to = v; return nil }
}

func intoBool(to *bool) func(string) error {
	return func(v string) error {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return errors.New("want true or false")
		}
		*to = b
		return nil
	}
}

func intoCount(to *int, most int) func(string) error {
	return func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > most {
			return fmt.Errorf("want a whole number from 1 to %d", most)
		}
		*to = n
		return nil
	}
}

// intoDuration takes a unit ("30s"); a bare number means seconds.
func intoDuration(to *time.Duration, least, most time.Duration) func(string) error {
	return func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil {
			seconds, bare := strconv.ParseFloat(v, 64)
			if bare != nil {
				return fmt.Errorf("want a duration from %v to %v, such as 30s; a bare number means seconds", least, most)
			}
			d = time.Duration(seconds * float64(time.Second))
		}
		if d < least || d > most {
			return fmt.Errorf("want a duration from %v to %v", least, most)
		}
		*to = d
		return nil
	}
}

func intoOneOf(to *string, allowed ...string) func(string) error {
	return func(v string) error {
		if !slices.Contains(allowed, v) {
			return fmt.Errorf("want %s", strings.Join(allowed, " or "))
		}
		*to = v
		return nil
	}
}

// osGetenv reads the process's environment.
func osGetenv(name string) (string, bool) { return os.LookupEnv(name) }

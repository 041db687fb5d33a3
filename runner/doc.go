// Package runner is what runs inside a machine: work by name, slots, and an end.
//
// A program defines its jobs once, with DefineJob, where both sides can see them. On the machine it
// binds an implementation to each with HandleJob and calls Run with the Ticket that the backend put
// into its environment. Parents (package pool) dial it and speak pharos.runner.v1; whatever else the
// program serves to them, it Mounts on the same listener and behind the same token.
//
// # States of a runner
//
//	         first Attend          Retire, Run's ctx            no work left
//	booting ─────────────▶ ready ────────────────────▶ retiring ────────────▶ gone
//	   │                     │                            │
//	   │ Failsafe passed     │ last parent left, no work, │ Options.Shutdown passed
//	   ▼                     ▼ Orphan passed              ▼ with work still running
//	  gone (error)          gone                         gone (error names the work)
//
// A runner answers Hello as soon as it listens; that is what "ready" means to whoever dials it. It
// stays only as long as somebody attends it, or its work has not ended yet. A local runner also
// holds a pipe from the parent that booted it (PresenceEnv): once that reads EOF and no other parent
// attends, the runner goes at once, without waiting for Failsafe or Orphan.
//
// # States of a piece of work
//
//	       admitted              ready(out)            h returned
//	Start ─────────▶ starting ─────────────▶ running ─────────────▶ ended
//	  │                  │                                            ▲
//	  ▼ refused          └── returned, panicked or failed before ready ┘
//
// Work ends when its function returns, and only then is its slot free. Its context ends, with a
// cause, to ask it to: ErrStopped (Stop, or a Start whose caller went away before the work was
// ready), ErrOrphaned (the last Attend stream of its parent ended), ErrShutdown (Run's ctx ended).
// Go cannot end a goroutine from outside: work that does not listen keeps its slot until the runner
// goes, and the runner outlives it by at most Options.Shutdown once it has to go.
//
// # What it promises
//
//   - The runner alone admits work, under one lock. A refusal (RESOURCE_EXHAUSTED, UNAVAILABLE,
//     FAILED_PRECONDITION) proves that nothing ran. A work id that is known here, running or among
//     the 1024 that ended last, is ALREADY_EXISTS, whatever else would refuse it.
//   - Retire with if_idle and Start exclude each other: either the work runs and the answer is no, or
//     the answer is yes and the Start is refused.
//   - Work runs only while its parent attends, and never longer than its own return after that.
//   - A parent that attends learns of every end of its work: each stream has its own list of ends
//     not told yet, and a new stream begins with those still remembered.
//   - The result of ended work answers Wait while it is among the last 1024. A retiring runner
//     lingers up to half a second for results that an attending parent has not asked for yet.
//   - A panic in work is that work's Failure, with its stack; the runner and other work go on.
//   - New work from a parent of another build is refused; all else works across builds.
//   - The machine's token is checked, in constant time, before anything else looks at a request. It
//     is never logged, and requests reach their handlers without it.
//
// # Under failure
//
// A parent that dies is noticed by its connections; one that freezes, or a path that breaks, by
// HTTP/2 pings within two seconds. Either way its Attend streams end, and its work with them. What
// a caller whose Start failed without a refusal does not know (whether the work ran), it settles by
// Stop, which is safe for any id, and by Wait. A parent may attend again at any time, but work that
// was orphaned in between has been told to end.
package runner

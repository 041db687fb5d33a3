// Package pool keeps the machines that package runner's work runs on.
//
// A machine is what a [Backend] makes: a process, a virtual machine; one runner
// runs on it. A slot is room for one piece of work on a machine. [Place] finds a
// free slot, has a machine made where there is none, and starts the work there.
//
//	 Place ──▶ queue ──plan──▶ a machine with a free slot ──Start──▶ runner admits: Placement
//	             ▲                                             └──refuses──┐
//	             └──────────────── at its old place ◀──────────────────────┘
//
//	machine:  reserved ─Boot, Hello, Attend─▶ ready ─Retire─▶ retired ─┐
//	              │ boot failed                 │ lost                 ▼
//	              └─────────────────────────────┴──────────────▶ destroyed, reservation given back
//
// # Promises
//
//   - The runner alone admits work, under one lock. A refusal proves that nothing
//     ran, so the work is placed elsewhere and the caller does not notice. What may
//     have started is a [*LostError] and never runs a second time.
//   - A machine is reserved in the [Ledger] before it is made, and counts against
//     Options.Max until its Destroy was accepted or the backend's List stops naming it.
//   - A machine is let go only by the Retire handshake: the runner stops admitting
//     and is idle in the same instant, so no work is lost at the idle edge.
//   - Work is linked to its parent: it ends when the parent's Attend stream does.
//     When that stream ends, the machine is lost to this parent: its placements end
//     with a [*LostError], and the queue is served again from elsewhere.
//   - Waiters are served in the order they came, and leave at once when their
//     context ends. A waiter whose boot failed gets the cause, see [BootError].
//
// # When booting fails
//
// Boots back off exponentially with jitter, from 100 ms to 5 s. A waiter stays in
// the queue over a failed boot, and a later boot serves it, until it has seen three
// boots fail or has waited for Options.BootTimeout; then it gets the cause. A waiter
// with [NoWait], and every waiter when the backend says that a retry is useless
// ([RetryNever]), gets the cause at once.
//
// # What is whose
//
// All decisions are made by the pure function plan on a copy of the state. One
// mutex protects the state; [Pool.Run] owns every goroutine. All exported functions
// are safe for concurrent use.
package pool

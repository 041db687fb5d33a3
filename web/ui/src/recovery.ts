// What keeps playback going: bounded new starts after failures, and a watchdog
// over a picture that should move and does not.

const limit = 6;
const first = 500;
const longest = 8000;

// A Recovery says how long to wait before the next start, twice as long each
// time, and when to give up. Half a minute of moving pictures forgives all.
export class Recovery {
  #failures = 0;
  #since = 0; // when the picture began to move; 0 = it does not

  // delay is the wait before the next start in milliseconds, or null once there
  // were six without success. random is within [0, 1): all who watch fail at the
  // same moment, and must not come back at the same one.
  delay(random = Math.random()): number | null {
    this.#since = 0;
    if (this.#failures >= limit) {
      return null;
    }
    const wait = Math.min(first * 2 ** this.#failures, longest);
    this.#failures++;
    return wait * (0.75 + random / 2);
  }

  // moving is told, now and then, that the picture moves; now in milliseconds.
  moving(now: number): void {
    if (this.#since === 0) {
      this.#since = now;
    } else if (now - this.#since > 30_000) {
      this.#failures = 0;
    }
  }

  // forget begins anew: the viewer asks, or the server is back.
  forget(): void {
    this.#failures = 0;
    this.#since = 0;
  }
}

export type Remedy = "none" | "nudge" | "restart";

const nudgeAfter = 4000;
const restartAfter = 12_000;

// A Watchdog looks at the playing time about once a second.
export class Watchdog {
  #time = -1;
  #since = 0; // when the time was seen to change last
  #nudged = false;
  #looked = 0;

  // look tells what to do: nudge (once) after four seconds without movement, a
  // restart after twelve. wanted says that the picture should move. A look long
  // after the one before it (a sleeping tab or computer) counts from anew.
  look(now: number, time: number, wanted: boolean): Remedy {
    const slept = now - this.#looked > nudgeAfter;
    this.#looked = now;
    if (!wanted || slept || time !== this.#time) {
      this.#time = time;
      this.#since = now;
      this.#nudged = false;
      return "none";
    }
    if (now - this.#since >= restartAfter) {
      this.#since = now;
      this.#nudged = false;
      return "restart";
    }
    if (now - this.#since >= nudgeAfter && !this.#nudged) {
      this.#nudged = true;
      return "nudge";
    }
    return "none";
  }

  // still is how long the picture has stood though it should move, milliseconds.
  still(now: number): number {
    return now - this.#since;
  }
}

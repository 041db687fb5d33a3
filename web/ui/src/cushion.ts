// What stalls cost in latency, and how it is given back.

// A Cushion is the distance that stalls add to the target. Half a second each,
// at most the most that is given; and unlike in hls.js a calm time takes it
// away again, so that one bad minute does not cost latency for the whole
// evening. Each time it had to come back, the next calm must be twice as long.
export class Cushion {
  readonly #most: number;
  #seconds = 0;
  #stalled = 0;
  #calm = 60_000;

  constructor(most: number) {
    this.#most = most;
  }

  // stalled counts a stall at now, milliseconds.
  stalled(now: number): void {
    if (this.seconds(now) === 0 && this.#stalled > 0) {
      this.#calm = Math.min(2 * this.#calm, 16 * 60_000);
    }
    this.#seconds = Math.min(this.#seconds + 0.5, this.#most);
    this.#stalled = now;
  }

  // seconds is the distance at now.
  seconds(now: number): number {
    if (this.#seconds > 0 && now - this.#stalled > this.#calm) {
      this.#seconds = 0;
    }
    return this.#seconds;
  }

  // forget begins anew: the viewer chose another distance.
  forget(): void {
    this.#seconds = 0;
    this.#stalled = 0;
  }
}

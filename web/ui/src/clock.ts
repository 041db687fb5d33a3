// The server's clock, as far as its answers tell: pictures are dated by it, and
// a viewer's own clock may be minutes off.

export class Clock {
  // The server's clock is ahead of ours by something between these two, in
  // milliseconds. Each answer narrows them.
  #least = -Infinity;
  #most = Infinity;

  // hear takes an answer in: when it was sent for and received by our clock, and
  // its Date header, which is cut to whole seconds.
  hear(sent: number, date: number, received: number): void {
    const least = date - received;
    const most = date + 1000 - sent;
    this.#least = Math.max(this.#least, least);
    this.#most = Math.min(this.#most, most);
    if (this.#least > this.#most) {
      // One of the two clocks was set anew: only this answer counts.
      this.#least = least;
      this.#most = most;
    }
  }

  // now is the server's time in milliseconds; our own until an answer was heard.
  now(own = Date.now()): number {
    return Number.isFinite(this.#least) && Number.isFinite(this.#most) ? own + (this.#least + this.#most) / 2 : own;
  }
}

// The live pill: red with the latency while the picture is live; grey, and a way
// back, while it is not.
import { el, write } from "./dom";
import { delay } from "./format";
import type { Player } from "./player";

export class Pill {
  readonly element: HTMLElement;

  readonly #player: Player;
  readonly #label = el("span", { class: "label" }, "Live");
  readonly #value = el("span", { class: "value" });
  #shown = -1;

  constructor(player: Player) {
    this.#player = player;
    this.element = el(
      "button",
      { type: "button", class: "live-pill", hidden: "" },
      el("span", { class: "dot" }),
      this.#label,
      this.#value,
    );
    this.element.addEventListener("click", () => player.goLive());
    window.setInterval(() => this.update(), 1000);
  }

  // update is called once a second: a figure that changes with each frame could
  // not be read.
  update(): void {
    const player = this.#player;
    const live = player.live && player.state !== "ended";
    this.element.hidden = !live;
    if (!live) {
      return;
    }
    const edge = player.atEdge;
    const latency = player.latency;
    if (latency !== null && Math.abs(latency - this.#shown) >= 0.1) {
      this.#shown = latency;
    }
    const text = latency === null ? "" : delay(this.#shown);
    this.element.dataset["edge"] = String(edge);
    write(this.#label, edge ? "Live" : "Go live");
    write(this.#value, edge || text === "" ? text : `−${text}`);
    const says = edge ? `Live, ${text || "at the edge"} behind` : `Go live: ${text} behind`;
    this.element.setAttribute("aria-label", says);
    this.element.title = edge ? "How old the picture is" : "Go to the live edge";
  }
}

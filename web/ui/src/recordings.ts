// The list of replays, of a channel or of all: nothing where there are none.
import { type Replay, replays } from "./api";
import { type Card, CardList } from "./cards";
import { el } from "./dom";
import { clock, day } from "./format";

export class Recordings {
  readonly element: HTMLElement;

  readonly #list = new CardList();
  readonly #channel: string | undefined;
  readonly #except: string;

  // Without a channel, all channels' are shown, with their names; except is a
  // broadcast that is not.
  constructor(title: string, channel?: string, except = "") {
    this.#channel = channel;
    this.#except = except;
    this.element = el("section", { class: "recordings", hidden: "" }, el("h2", {}, title), this.#list.element);
  }

  // load reads the list anew and returns it.
  async load(): Promise<Replay[]> {
    const all = await replays(this.#channel);
    const shown = all.filter((r) => r.broadcast !== this.#except);
    this.#list.show(shown.map((r) => card(r, this.#channel === undefined)));
    this.element.hidden = shown.length === 0;
    return all;
  }
}

function card(r: Replay, named: boolean): Card {
  return {
    id: r.broadcast,
    href: `/replay/${r.broadcast}`,
    title: named ? r.channel : day(r.started),
    facts: named ? day(r.started) : "",
    badge: "",
    corner: clock(r.duration),
    poster: r.poster,
  };
}

// Lists of broadcasts: a picture, a badge, a name and a line of facts each.
import { el, icon, write } from "./dom";

export interface Card {
  id: string;
  href: string;
  title: string;
  facts: string;
  badge: string; // in the picture's upper corner, "Live"
  corner: string; // in its lower corner: a duration
  poster?: string | undefined;
}

// A CardList shows cards and changes in place what changed: the focus stays
// where it is, and no picture flickers.
export class CardList {
  readonly element = el("ul", { class: "cards" });

  readonly #drawn = new Map<string, Drawn>();

  show(cards: readonly Card[]): void {
    const ids = new Set(cards.map((c) => c.id));
    for (const [id, d] of this.#drawn) {
      if (!ids.has(id)) {
        d.element.remove();
        this.#drawn.delete(id);
      }
    }
    cards.forEach((card, i) => {
      let d = this.#drawn.get(card.id);
      if (!d) {
        d = new Drawn(card);
        this.#drawn.set(card.id, d);
      }
      d.update(card);
      if (this.element.children[i] !== d.element) {
        this.element.insertBefore(d.element, this.element.children[i] ?? null);
      }
    });
  }
}

class Drawn {
  readonly element: HTMLElement;

  readonly #picture = el("img", { alt: "", loading: "lazy", decoding: "async", hidden: "" });
  readonly #badge = el("span", { class: "badge" });
  readonly #corner = el("span", { class: "corner" });
  readonly #title = el("strong");
  readonly #facts = el("span", { class: "facts" });
  #poster = "";

  constructor(card: Card) {
    const frame = el("span", { class: "frame" }, icon("lighthouse"), this.#picture, this.#badge, this.#corner);
    this.element = el("li", {}, el("a", { href: card.href }, frame, this.#title, this.#facts));
  }

  update(card: Card): void {
    write(this.#title, card.title);
    write(this.#facts, card.facts);
    for (const [e, text] of [
      [this.#badge, card.badge],
      [this.#corner, card.corner],
    ] as const) {
      write(e, text);
      e.hidden = text === "";
    }
    this.#badge.dataset["state"] = card.badge.toLowerCase();
    this.#paint(card.poster ?? "");
  }

  // paint replaces the picture once the new one is there.
  #paint(url: string): void {
    if (url === this.#poster) {
      return;
    }
    this.#poster = url;
    if (url === "") {
      this.#picture.hidden = true;
      return;
    }
    const next = new Image();
    next.onload = () => {
      if (this.#poster === url) {
        this.#picture.src = url;
        this.#picture.hidden = false;
      }
    };
    next.src = url; // an error leaves the former picture, or the lighthouse
  }
}

const posterAge = 15_000;

// fresh makes a poster's address change every 15 seconds: behind it is another
// picture by then.
export function fresh(poster: string | undefined, now = Date.now()): string | undefined {
  return poster === undefined ? undefined : `${poster}${poster.includes("?") ? "&" : "?"}at=${Math.floor(now / posterAge)}`;
}

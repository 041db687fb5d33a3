// The curtain before the picture, and what it says.
import { el, icon } from "./dom";

// A Saying is what there is instead of a picture.
export interface Saying {
  title: string;
  text: string;
  action?: { label: string; href?: string; press?: () => void };
}

export class Curtain {
  readonly element = el("div", { class: "curtain", slot: "dialog", noautohide: "", hidden: "" });

  // What is announced stays in the page, and only its words change.
  readonly #title = el("h2");
  readonly #text = el("p");
  readonly #words = el("div", { class: "words", role: "status" }, icon("lighthouse"), this.#title, this.#text);
  readonly #actions = el("div", { class: "actions" });
  #said = "";

  constructor() {
    this.element.append(this.#words, this.#actions);
  }

  // say closes the curtain with these words; null opens it.
  say(saying: Saying | null): void {
    const state = JSON.stringify([saying?.title, saying?.text, saying?.action?.label, saying?.action?.href]);
    if (state === this.#said) {
      return;
    }
    this.#said = state;
    this.element.hidden = saying === null;
    this.#title.textContent = saying?.title ?? "";
    this.#text.textContent = saying?.text ?? "";
    this.#actions.replaceChildren(...action(saying));
  }
}

function action(saying: Saying | null): HTMLElement[] {
  if (!saying?.action) {
    return [];
  }
  const { label, href, press } = saying.action;
  if (href) {
    return [el("a", { class: "action", href }, label)];
  }
  const button = el("button", { type: "button", class: "action" }, label);
  button.addEventListener("click", () => press?.());
  return [button];
}

// A menu of the control bar: a button, and a panel with one choice among some.
// The panel is reached and left by keyboard, and works without transitions.
import { el, icon } from "./dom";

export interface Choice {
  value: string;
  label: string;
  note?: string; // a line that explains it
}

export class Menu {
  readonly button: HTMLElement;
  readonly panel: HTMLElement;

  readonly #list: HTMLElement;
  readonly #choose: (value: string) => void;
  #drawn = "";

  constructor(name: string, title: string, picture: Parameters<typeof icon>[0], choose: (value: string) => void) {
    this.#choose = choose;
    const id = `menu-${name}`;
    this.button = el(
      "media-chrome-button",
      { class: `menu-button ${name}`, "aria-label": title, "aria-haspopup": "menu", "aria-expanded": "false", "aria-controls": id, hidden: "" },
      icon(picture),
      el("span", { slot: "tooltip-content" }, title),
    );
    this.#list = el("div", { class: "choices" });
    this.panel = el("div", { id, class: `menu ${name}`, role: "menu", "aria-label": title, noautohide: "", hidden: "" }, el("p", {}, title), this.#list);
    this.button.addEventListener("click", () => (this.panel.hidden ? this.#open() : this.close(true)));
    // media-chrome's buttons make no click of a key.
    this.button.addEventListener("keydown", (e) => {
      if (["Enter", " ", "ArrowUp", "ArrowDown"].includes(e.key)) {
        e.preventDefault();
        e.stopPropagation();
        this.#open();
      }
    });
    this.panel.addEventListener("keydown", (e) => this.#key(e));
    this.panel.addEventListener("focusout", (e) => {
      const to = e.relatedTarget;
      if (to instanceof Node && !this.panel.contains(to) && !this.button.contains(to)) {
        this.close(false);
      }
    });
    document.addEventListener("pointerdown", (e) => {
      const path = e.composedPath();
      if (!path.includes(this.panel) && !path.includes(this.button)) {
        this.close(false);
      }
    });
  }

  // show offers the choices, one of them chosen; none hides the button.
  show(choices: readonly Choice[], chosen: string): void {
    this.button.hidden = choices.length === 0;
    if (choices.length === 0) {
      this.close(false);
    }
    const state = JSON.stringify([choices, chosen]);
    if (state === this.#drawn) {
      return;
    }
    this.#drawn = state;
    const focused = this.#items().findIndex((i) => i === document.activeElement);
    this.#list.replaceChildren(...choices.map((c) => this.#item(c, c.value === chosen)));
    if (focused >= 0) {
      this.#items()[Math.min(focused, choices.length - 1)]?.focus();
    }
  }

  // close hides the panel; back says that the button takes the focus.
  close(back: boolean): void {
    if (this.panel.hidden) {
      return;
    }
    this.panel.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    if (back) {
      this.button.focus();
    }
  }

  #open(): void {
    this.panel.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    (this.#items().find((i) => i.ariaChecked === "true") ?? this.#items()[0])?.focus();
  }

  #item(c: Choice, chosen: boolean): HTMLElement {
    const text = el("span", { class: "text" }, el("span", { class: "label" }, c.label));
    if (c.note) {
      text.append(el("span", { class: "note" }, c.note));
    }
    const item = el("button", { type: "button", role: "menuitemradio", "aria-checked": String(chosen), tabindex: "-1" }, icon("check"), text);
    item.addEventListener("click", () => {
      this.close(true);
      this.#choose(c.value);
    });
    return item;
  }

  #items(): HTMLElement[] {
    return [...this.#list.querySelectorAll<HTMLElement>("[role=menuitemradio]")];
  }

  // key moves among the items; all keys stay here, so that none of them seeks.
  #key(e: KeyboardEvent): void {
    if (e.ctrlKey || e.altKey || e.metaKey) {
      return;
    }
    e.stopPropagation();
    const items = this.#items();
    const at = items.findIndex((i) => i === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[e.key];
    if (to !== undefined) {
      e.preventDefault();
      items[(to + items.length) % items.length]?.focus();
    } else if (e.key === "Escape" || e.key === "Tab") {
      e.preventDefault();
      this.close(true);
    }
  }
}

// The keyboard: what each key does, and the list of it that "?" shows.
import { el } from "./dom";
import type { Player } from "./player";

interface Key {
  keys: string[]; // as KeyboardEvent.key has them
  shown: string[];
  says: string;
  press: (key: string) => void;
}

// Elements that have their own use for some keys.
const takesSpace = "button, a, summary, [role=button], media-chrome-button, media-play-button, media-mute-button, media-pip-button, media-fullscreen-button";
const takesArrows = "media-time-range, media-volume-range, input";
const takesAll = "input:not([type=range]), textarea, select, [contenteditable], dialog";

// Keyboard listens on the whole page: a viewer need not click into the player
// first. controls is the media-controller, which knows full screen and picture
// in picture.
export class Keyboard {
  readonly dialog: HTMLDialogElement;

  readonly #keys: Key[];
  readonly #awake: () => void;

  constructor(player: Player, controls: HTMLElement, live: boolean) {
    this.#awake = () => controls.dispatchEvent(new PointerEvent("pointermove", { pointerType: "mouse", bubbles: true }));
    this.#keys = keys(player, controls, live, () => this.#help());
    this.dialog = dialog(this.#keys);
    document.addEventListener("keydown", (e) => this.#down(e));
  }

  #down(e: KeyboardEvent): void {
    if (e.defaultPrevented || e.ctrlKey || e.altKey || e.metaKey || this.dialog.open) {
      return;
    }
    const path = e.composedPath().filter((t): t is Element => t instanceof Element);
    const within = (selector: string): boolean => path.some((t) => t.matches(selector));
    if (
      within(takesAll) ||
      ((e.key === " " || e.key === "Enter") && within(takesSpace)) ||
      (e.key.startsWith("Arrow") && within(takesArrows))
    ) {
      return;
    }
    const found = this.#keys.find((k) => k.keys.includes(e.key.length === 1 ? e.key.toLowerCase() : e.key));
    if (found) {
      e.preventDefault();
      this.#awake();
      found.press(e.key);
    }
  }

  #help(): void {
    this.dialog.showModal();
  }
}

function keys(player: Player, controls: HTMLElement, live: boolean, help: () => void): Key[] {
  const { video } = player;
  const request = (name: string): void => {
    controls.dispatchEvent(new CustomEvent(name, { bubbles: true, composed: true }));
  };
  const seek = (by: number): void => {
    const { seekable } = video;
    if (seekable.length > 0) {
      const last = seekable.end(seekable.length - 1);
      video.currentTime = Math.min(Math.max(video.currentTime + by, seekable.start(0)), last);
    }
  };
  const jump = (tenth: number): void => {
    const { seekable } = video;
    if (seekable.length > 0) {
      const start = seekable.start(0);
      video.currentTime = start + ((seekable.end(seekable.length - 1) - start) * tenth) / 10;
    }
  };
  const louder = (by: number): void => {
    video.volume = Math.min(1, Math.max(0, Math.round((video.volume + by) * 100) / 100));
    video.muted = video.volume === 0;
  };
  const all: Key[] = [
    { keys: [" ", "k"], shown: ["Space", "K"], says: "Play or pause", press: () => (video.paused ? void video.play().catch(() => undefined) : video.pause()) },
    { keys: ["ArrowLeft"], shown: ["←"], says: "5 seconds back", press: () => seek(-5) },
    { keys: ["ArrowRight"], shown: ["→"], says: "5 seconds on", press: () => seek(5) },
    { keys: ["j"], shown: ["J"], says: "10 seconds back", press: () => seek(-10) },
    { keys: ["l"], shown: ["L"], says: "10 seconds on", press: () => seek(10) },
    { keys: ["ArrowUp"], shown: ["↑"], says: "Louder", press: () => louder(0.05) },
    { keys: ["ArrowDown"], shown: ["↓"], says: "Quieter", press: () => louder(-0.05) },
    { keys: ["m"], shown: ["M"], says: "Sound off or on", press: () => (video.muted = !video.muted) },
    {
      keys: ["f"],
      shown: ["F"],
      says: "Full screen",
      press: () => request(document.fullscreenElement ? "mediaexitfullscreenrequest" : "mediaenterfullscreenrequest"),
    },
    {
      keys: ["p"],
      shown: ["P"],
      says: "Picture in picture",
      press: () => request(document.pictureInPictureElement ? "mediaexitpiprequest" : "mediaenterpiprequest"),
    },
    {
      keys: [..."0123456789"],
      shown: ["0", "…", "9"],
      says: "To 0 % … 90 %",
      press: (key) => jump(Number(key)),
    },
    { keys: ["?"], shown: ["?"], says: "This list", press: help },
  ];
  if (live) {
    all.splice(5, 0, { keys: ["End"], shown: ["End"], says: "Go live", press: () => player.goLive() });
  }
  return all;
}

function dialog(all: Key[]): HTMLDialogElement {
  const close = el("button", { type: "button", class: "plain", autofocus: "" }, "Close");
  const rows = all.map((k) => el("div", {}, el("dt", {}, ...k.shown.map((s) => (s === "…" ? s : el("kbd", {}, s)))), el("dd", {}, k.says)));
  const d = el("dialog", { class: "keys", "aria-label": "Keyboard" }, el("h2", {}, "Keyboard"), el("dl", {}, ...rows), close);
  close.addEventListener("click", () => d.close());
  d.addEventListener("click", (e) => e.target === d && d.close()); // beside it
  d.addEventListener("keydown", (e) => {
    if (e.key === "?") {
      d.close();
      e.stopPropagation();
    }
  });
  return d;
}

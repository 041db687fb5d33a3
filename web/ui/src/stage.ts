// The stage: the picture with its controls (media-chrome's, and our own pill and
// menus) and the curtain that says what there is instead of a picture.
import "media-chrome";
import { Curtain, type Saying } from "./curtain";
import { el, icon, write } from "./dom";
import { Keyboard } from "./keys";
import { modes, type Mode } from "./latency";
import { Menu } from "./menu";
import { Pill } from "./pill";
import { Player } from "./player";
import "./preview";
import { nameOf, qualities } from "./quality";
import { Storyboard } from "./storyboard";

declare global {
  interface Window {
    // For whoever looks into a page that misbehaves.
    pharos?: { player: Player };
  }
}

export class Stage {
  readonly element: HTMLElement;
  readonly player: Player;

  readonly #curtain = new Curtain();
  readonly #notice = el("p", { class: "notice", role: "status", slot: "top-chrome", noautohide: "", hidden: "" });
  readonly #poster = el("img", { class: "poster", slot: "poster", alt: "", hidden: "" });
  readonly #bar: HTMLElement;
  readonly #quality: Menu;
  readonly #latency: Menu;
  readonly #pill: Pill;
  readonly #sound: HTMLElement;
  readonly #storyboard: Storyboard;
  readonly #live: boolean;

  constructor(live: boolean) {
    this.#live = live;
    const video = el("video", { slot: "media", playsinline: "", crossorigin: "" });
    this.player = new Player(video);
    this.#pill = new Pill(this.player);
    this.#quality = new Menu("quality", "Quality", "quality", (v) => this.#setLevel(Number(v)));
    this.#latency = new Menu("latency", "Latency", "latency", (v) => this.player.setMode(v as Mode));
    this.#sound = el("button", { type: "button", class: "sound", slot: "top-chrome", noautohide: "", hidden: "" }, icon("muted"), "Tap for sound");
    this.#sound.addEventListener("click", () => (video.muted = false));
    const range = timeRange();
    this.#bar = el("div", { class: "bar" }, range, controlBar(live ? this.#pill.element : timeDisplay(), this.#latency, this.#quality));
    this.element = el(
      "media-controller",
      { class: "stage", nohotkeys: "", autohide: "3", defaultstreamtype: live ? "live" : "on-demand" },
      video,
      this.#poster,
      el("media-loading-indicator", { slot: "centered-chrome", noautohide: "" }),
      el("media-play-button", { slot: "centered-chrome", class: "big", notooltip: "" }),
      this.#notice,
      this.#sound,
      this.#bar,
      this.#latency.panel,
      this.#quality.panel,
      this.#curtain.element,
    );
    const keyboard = new Keyboard(this.player, this.element, live);
    this.element.append(keyboard.dialog);
    this.#storyboard = new Storyboard(video, () => this.player.shift);
    for (const event of ["pointerenter", "pointermove", "focusin"]) {
      range.addEventListener(event, () => void this.#point(range));
    }
    this.#poster.addEventListener("error", () => (this.#poster.hidden = true));
    this.player.onChange(() => this.#draw());
    this.#draw();
    this.say({ title: "", text: "" }); // until more is known
    window.pharos = { player: this.player };
  }

  // say closes the curtain with these words; null opens it. What is behind a
  // closed curtain is not reached by keyboard or touch either.
  say(saying: Saying | null): void {
    this.#curtain.say(saying);
    this.#bar.inert = saying !== null;
    this.element.toggleAttribute("gesturesdisabled", saying !== null);
  }

  // notice says something in a corner of the picture; nothing takes it away.
  notice(text: string): void {
    write(this.#notice, text);
    this.#notice.hidden = text === "";
  }

  // pictures are what is shown before the first frame, and above the time line.
  pictures(poster: string | undefined, storyboard: string | undefined): void {
    if (poster && !this.#poster.hasAttribute("src")) {
      this.#poster.src = poster;
      this.#poster.hidden = false;
    }
    this.#storyboard.show(storyboard, this.#live);
  }

  // fresh forgets the pictures of the broadcast before.
  fresh(): void {
    this.#poster.removeAttribute("src");
    this.#poster.hidden = true;
  }

  // point has a look at the storyboard, and shows the picture that came with it.
  async #point(range: HTMLElement): Promise<void> {
    const at = (await this.#storyboard.wanted()) ? range.getAttribute("mediapreviewtime") : null;
    if (at !== null) {
      range.dispatchEvent(new CustomEvent("mediapreviewrequest", { bubbles: true, composed: true, detail: Number(at) }));
    }
  }

  #draw(): void {
    const { player } = this;
    this.#sound.hidden = !player.silenced;
    this.#pill.update();
    this.#drawQuality();
    this.#latency.show(player.parted && player.live ? modes.map(({ mode, label, note }) => ({ value: mode, label, note })) : [], player.mode);
  }

  #drawQuality(): void {
    const hls = this.player.hls;
    const entries = qualities(hls?.levels ?? [], playable);
    if (!hls || entries.length < 2) {
      this.#quality.show([], "");
      return;
    }
    const current = hls.levels[hls.currentLevel];
    const auto = current ? `Auto (${nameOf(current)})` : "Auto";
    const chosen = hls.autoLevelEnabled ? -1 : hls.manualLevel;
    this.#quality.show([{ value: "-1", label: auto }, ...entries.map((q) => ({ value: String(q.level), label: q.label }))], String(chosen));
  }

  #setLevel(level: number): void {
    const hls = this.player.hls;
    if (hls) {
      hls.nextLevel = level;
      this.#draw();
    }
  }
}

function playable(codec: string): boolean {
  const type = `video/mp4; codecs="${codec}"`;
  const source = window.MediaSource ?? (window as { ManagedMediaSource?: typeof MediaSource }).ManagedMediaSource;
  return source?.isTypeSupported(type) ?? false;
}

function timeRange(): HTMLElement {
  return el(
    "media-time-range",
    {},
    el("media-preview-thumbnail", { slot: "preview" }),
    el("pharos-preview-time", { slot: "preview" }),
  );
}

function timeDisplay(): HTMLElement {
  return el("media-time-display", { showduration: "", notoggle: "" });
}

function controlBar(time: HTMLElement, latency: Menu, quality: Menu): HTMLElement {
  return el(
    "media-control-bar",
    {},
    el("media-play-button"),
    el("div", { class: "volume" }, el("media-mute-button"), el("media-volume-range")),
    time,
    el("span", { class: "gap" }),
    latency.button,
    quality.button,
    el("media-pip-button"),
    el("media-fullscreen-button"),
  );
}

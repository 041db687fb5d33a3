// The player: hls.js in low-latency mode under media-chrome's controls.
import "media-chrome";
import "media-chrome/menu";
import "hls-video-element";
import Hls, { type ErrorData } from "hls.js/dist/hls.mjs";
import { keepWholeLadders } from "./codecs";
import { el } from "./dom";

// HlsVideo is what the page uses of <hls-video>.
interface HlsVideo extends HTMLVideoElement {
  api: Hls | null;
  config: Partial<Hls["config"]>;
}

const config: Partial<Hls["config"]> = {
  lowLatencyMode: true,
  // hls.js does not catch up by itself: without this, what a stall cost stays lost.
  maxLiveSyncPlaybackRate: 1.5,
  backBufferLength: 60,
};

export class Player {
  readonly element: HTMLElement;
  // broken says that playback has failed for good and wants a new start.
  broken = false;
  // finished says that everything there was has been shown.
  finished = false;

  readonly #video: HlsVideo;
  #seen = -1; // the playing time at the last look

  constructor() {
    this.#video = el("hls-video", { slot: "media", playsinline: "", crossorigin: "" }) as HlsVideo;
    this.#video.config = config;
    this.element = controls(this.#video);
    this.#video.addEventListener("ended", () => {
      this.finished = true;
    });
  }

  // onEnd calls back when a broadcast has been shown to its end.
  onEnd(call: () => void): void {
    this.#video.addEventListener("ended", call);
  }

  // still says that the picture has not moved since it was asked last, though
  // nobody paused it.
  still(): boolean {
    const now = this.#video.currentTime;
    const still = now === this.#seen && !this.#video.paused;
    this.#seen = now;
    return still;
  }

  // play starts the playlist, at its live edge.
  play(playlist: string): void {
    this.broken = false;
    this.finished = false;
    if (this.#video.getAttribute("src") === playlist) {
      void (this.#video as unknown as { load(): Promise<void> }).load();
    } else {
      this.#video.setAttribute("src", playlist);
    }
    // <hls-video> makes its Hls a microtask later.
    setTimeout(() => {
      this.#watch();
      void this.#begin();
    });
  }

  // begin plays with sound where the browser allows it, and muted otherwise.
  async #begin(): Promise<void> {
    try {
      await this.#video.play();
    } catch {
      this.#video.muted = true;
      await this.#video.play().catch(() => undefined); // then the viewer presses play
    }
  }

  #watch(): void {
    const api = this.#video.api;
    if (!api) {
      return; // the browser plays HLS by itself
    }
    api.on(Hls.Events.MANIFEST_PARSED, () => keepWholeLadders(api));
    let recovered = 0;
    api.on(Hls.Events.ERROR, (_: string, data: ErrorData) => {
      if (!data.fatal) {
        return;
      }
      // A decoder that stumbled is started again, not more than once in ten seconds.
      if (data.type === Hls.ErrorTypes.MEDIA_ERROR && performance.now() - recovered > 10_000) {
        recovered = performance.now();
        api.recoverMediaError();
        return;
      }
      this.broken = true;
    });
  }
}

function controls(video: HTMLElement): HTMLElement {
  return el(
    "media-controller",
    { defaultstreamtype: "live", hotkeys: "", autohide: "3" },
    video,
    el("media-loading-indicator", { slot: "centered-chrome", noautohide: "" }),
    el("media-rendition-menu", { hidden: "", anchor: "auto" }),
    el(
      "media-control-bar",
      {},
      el("media-play-button"),
      el("media-live-button"),
      el("media-mute-button"),
      el("media-volume-range"),
      el("media-time-range"),
      el("media-rendition-menu-button"),
      el("media-pip-button"),
      el("media-fullscreen-button"),
    ),
  );
}

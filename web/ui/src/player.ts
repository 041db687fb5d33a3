// The player: one video element, played by hls.js where there are Media Source
// Extensions and by the browser itself elsewhere, and kept playing.
import Hls, { type ErrorData, type HlsConfig } from "hls.js/dist/hls.mjs";
import { serverClock } from "./api";
import { keepWholeLadders } from "./codecs";
import { Cushion } from "./cushion";
import { type Mode, catchUp, controller, remember, remembered } from "./latency";
import { Recovery, Watchdog } from "./recovery";

export type State =
  | "idle" // nothing to play
  | "loading"
  | "playing" // also while paused: the picture is there
  | "ended" // everything there was has been shown
  | "retrying" // it failed, and starts anew by itself, until the picture is there
  | "failed" // it failed too often
  | "unsupported"; // this browser cannot play this

export interface Source {
  playlist: string;
  live: boolean;
  start?: number; // seconds into a recording
}

// stallMost bounds what stalls add to the target latency, seconds.
const stallMost = 3;
// near is how far behind its target a viewer may be and still be called live, in
// seconds; whoever is further behind went there, or is brought back.
const near = 3;
// nativeEdge is how far from the end of what can be seen a browser that plays by
// itself keeps while it is live, seconds.
const nativeEdge = 10;

export class Player {
  readonly video: HTMLVideoElement;
  // hls is null where the browser plays by itself, and while nothing is played.
  hls: Hls | null = null;
  state: State = "idle";
  mode: Mode = remembered();
  // silenced says that the browser allowed playing only without sound.
  silenced = false;
  // shift is the broadcast's time at the player's time zero, seconds: hls.js lets
  // its time begin with the first segment of the first playlist that it saw.
  shift = 0;
  // parted says that the stream has parts: it can be watched with low latency.
  parted = false;

  readonly #changed: (() => void)[] = [];
  readonly #recovery = new Recovery();
  readonly #watchdog = new Watchdog();
  #cushion = new Cushion(stallMost);
  #source: Source | null = null;
  #following = true; // the viewer is at the live edge, or wants to be
  #behindFor = 0; // looks at which a following viewer was too far behind
  #retry = 0;
  #healed = -Infinity;

  constructor(video: HTMLVideoElement) {
    this.video = video;
    const on = (event: string, f: () => void): void => video.addEventListener(event, f);
    on("playing", () => this.#to("playing"));
    on("loadeddata", () => ["loading", "retrying"].includes(this.state) && this.#to("playing"));
    on("ended", () => this.#to("ended"));
    on("seeking", () => this.#seeking());
    on("play", () => this.#judge());
    on("volumechange", () => {
      if (!video.muted && this.silenced) {
        this.silenced = false;
        this.#tell();
      }
    });
    on("error", () => this.hls === null && this.#source && video.error && this.#fail());
    window.setInterval(() => this.#look(), 1000);
  }

  // onChange calls back after each change of the state, the levels or the sound.
  onChange(call: () => void): void {
    this.#changed.push(call);
  }

  // play starts a source: a live one at its edge.
  play(source: Source): void {
    this.#source = source;
    this.parted = false;
    this.#recovery.forget();
    this.#cushion = new Cushion(stallMost);
    this.#start(source.start ?? -1);
  }

  // again starts the source anew, as often as it is called.
  again(): void {
    this.#recovery.forget();
    if (this.#source) {
      this.#start(this.#source.live ? -1 : this.video.currentTime || (this.#source.start ?? -1));
    }
  }

  stop(): void {
    this.#source = null;
    this.#close();
    this.video.removeAttribute("src");
    this.video.load();
    this.#to("idle");
  }

  // live says that what is played goes on: there is an edge to be at.
  get live(): boolean {
    const details = this.hls?.latestLevelDetails;
    return details ? details.live : this.video.duration === Infinity;
  }

  // latency is how old the picture is, in seconds: by its date and the server's
  // clock where both are known, else how far behind the end of the playlist it is.
  get latency(): number | null {
    const hls = this.hls;
    if (!hls || !this.live || this.video.readyState === 0) {
      return null;
    }
    const behindEdge = Math.max(0, hls.latency); // a rung that is late ends before the picture
    const date = hls.playingDate;
    if (!date) {
      return behindEdge;
    }
    const age = (serverClock.now() - date.getTime()) / 1000;
    // The edge is not younger than now, nor older than a server lets it get: a
    // date that says so comes from a clock that is off.
    return age < behindEdge + 10 ? Math.max(age, behindEdge) : behindEdge;
  }

  // behind is how far the picture is from where it would be live, in seconds.
  get behind(): number {
    const position = this.hls?.liveSyncPosition;
    if (position === null || position === undefined) {
      const { seekable, currentTime } = this.video;
      return seekable.length > 0 && this.live ? Math.max(0, seekable.end(seekable.length - 1) - currentTime - nativeEdge) : 0;
    }
    return Math.max(0, position - this.video.currentTime);
  }

  get atEdge(): boolean {
    return this.behind < near;
  }

  // still is how long the picture has stood though it should move, milliseconds.
  get still(): number {
    return this.#wanted ? this.#watchdog.still(performance.now()) : 0;
  }

  goLive(): void {
    const { seekable } = this.video;
    const position = this.hls?.liveSyncPosition ?? (seekable.length > 0 ? seekable.end(seekable.length - 1) : null);
    if (position !== null && this.live) {
      this.#following = true;
      this.video.currentTime = position;
    }
    void this.video.play().catch(() => undefined);
  }

  // setMode changes the distance to the live edge, at once for who is there.
  setMode(mode: Mode): void {
    const there = this.#following && this.live;
    this.mode = mode;
    this.#cushion.forget();
    remember(mode);
    if (this.hls && this.#source?.live) {
      this.hls.lowLatencyMode = mode !== "stable";
      this.hls.config.maxLiveSyncPlaybackRate = catchUp[mode];
      this.video.playbackRate = 1;
      if (there) {
        this.goLive();
      }
    }
    this.#tell();
  }

  #start(position: number, state: State = "loading"): void {
    this.#close();
    this.#following = true;
    this.#to(state);
    const source = this.#source;
    if (!source) {
      return;
    }
    if (Hls.isSupported()) {
      this.#attach(source, position);
    } else if (this.video.canPlayType("application/vnd.apple.mpegurl")) {
      this.video.src = position > 0 ? `${source.playlist}#t=${position}` : source.playlist;
    } else {
      this.#to("unsupported");
      return;
    }
    void this.#begin();
  }

  #attach(source: Source, position: number): void {
    const hls = new Hls(config(source.live, position, this.mode, controller(() => this.mode, this.#cushion)));
    this.hls = hls;
    hls.on(Hls.Events.ERROR, (_, data) => this.#error(hls, data));
    hls.on(Hls.Events.INIT_PTS_FOUND, (_, { initPTS, timescale }) => {
      this.shift = initPTS / timescale;
    });
    hls.on(Hls.Events.LEVEL_UPDATED, (_, { details }) => {
      if (!this.parted && details.partTarget > 0) {
        this.parted = true;
        this.#tell();
      }
    });
    hls.on(Hls.Events.MANIFEST_PARSED, () => keepWholeLadders(hls));
    for (const event of [Hls.Events.MANIFEST_PARSED, Hls.Events.LEVELS_UPDATED, Hls.Events.LEVEL_SWITCHED]) {
      hls.on(event, () => this.#tell());
    }
    hls.loadSource(source.playlist);
    hls.attachMedia(this.video);
  }

  #close(): void {
    clearTimeout(this.#retry);
    this.hls?.destroy();
    this.hls = null;
  }

  // begin plays with sound where the browser allows it, and muted otherwise.
  async #begin(): Promise<void> {
    try {
      await this.video.play();
    } catch (e) {
      if (!(e instanceof DOMException) || e.name !== "NotAllowedError" || this.video.muted) {
        return; // a newer start took over, or the viewer presses play
      }
      this.video.muted = true;
      this.silenced = true;
      this.#tell();
      await this.video.play().catch(() => undefined);
    }
  }

  #error(hls: Hls, data: ErrorData): void {
    if (hls !== this.hls) {
      return;
    }
    if (data.details === Hls.ErrorDetails.BUFFER_STALLED_ERROR) {
      this.#cushion.stalled(performance.now());
    }
    if (!data.fatal) {
      return;
    }
    if (data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) {
      this.#close();
      this.#to("unsupported");
      return;
    }
    // A decoder that stumbled is set up anew without losing the place, not more
    // than once in ten seconds.
    const now = performance.now();
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && now - this.#healed > 10_000) {
      this.#healed = now;
      hls.recoverMediaError();
      return;
    }
    this.#fail();
  }

  #fail(): void {
    const source = this.#source;
    const position = source?.live ? -1 : this.video.currentTime || (source?.start ?? -1);
    const wait = this.#recovery.delay();
    this.#close();
    if (wait === null) {
      this.#to("failed");
      return;
    }
    this.#retry = window.setTimeout(() => this.#start(position, "retrying"), wait);
    this.#to("retrying");
  }

  // seeking stops short of what is not there yet: the end of the time line is
  // ahead of where a live picture can be. Where it is meant to go says whether the
  // viewer wants to be live; how long it takes to get there does not.
  #seeking(): void {
    this.#judge();
    const position = this.hls?.liveSyncPosition ?? null;
    const { currentTime, buffered } = this.video;
    if (!this.live || position === null || currentTime <= position + 0.3) {
      return;
    }
    for (let i = 0; i < buffered.length; i++) {
      if (buffered.start(i) <= currentTime && buffered.end(i) > currentTime + 0.5) {
        return;
      }
    }
    this.video.currentTime = position;
  }

  #judge(): void {
    this.#following = this.atEdge;
    this.#behindFor = 0;
    this.#tell();
  }

  get #wanted(): boolean {
    return this.#source !== null && !this.video.paused && !this.video.ended && ["playing", "loading", "retrying"].includes(this.state);
  }

  // look comes by once a second.
  #look(): void {
    const now = performance.now();
    if (document.hidden) {
      return;
    }
    switch (this.#watchdog.look(now, this.video.currentTime, this.#wanted)) {
      case "nudge":
        this.#nudge();
        return;
      case "restart":
        this.#fail();
        return;
      case "none":
    }
    if (this.#wanted && this.#watchdog.still(now) === 0) {
      this.#recovery.moving(now);
    }
    this.#keepUp();
  }

  // nudge frees a picture that stands: at the edge by going there again, else by
  // asking anew for what comes next.
  #nudge(): void {
    if (this.live && this.#following) {
      this.goLive();
      return;
    }
    this.hls?.startLoad(this.video.currentTime);
  }

  // keepUp brings a viewer who was at the edge, and fell further behind than
  // playing faster makes up for, back by one seek. hls.js' own limit
  // (liveMaxLatencyDuration) would do so also to those who went back on purpose.
  #keepUp(): void {
    const limit = Math.max(near, this.hls?.latestLevelDetails?.targetduration ?? 0) + near;
    const lost = this.hls !== null && this.live && this.#following && !this.video.paused && !this.video.seeking && this.behind > limit;
    this.#behindFor = lost ? this.#behindFor + 1 : 0;
    if (this.#behindFor >= 2) {
      this.#behindFor = 0;
      this.goLive();
    }
  }

  #to(state: State): void {
    if (state !== this.state) {
      this.state = state;
      this.#tell();
    }
  }

  #tell(): void {
    for (const call of this.#changed) {
      call();
    }
  }
}

const timeoutRetry = { maxNumRetry: 4, retryDelayMs: 0, maxRetryDelayMs: 0 };

// errorRetry asks again also where hls.js would change the level or give up: a
// server that restarts refuses connections for some seconds (status 0), and a rung
// that its encoder is late with cannot be asked for what the source has already
// (400); hls.js repeats that question without its directives.
const errorRetry: NonNullable<HlsConfig["playlistLoadPolicy"]["default"]["errorRetry"]> = {
  maxNumRetry: 5,
  retryDelayMs: 500,
  maxRetryDelayMs: 4000,
  backoff: "exponential",
  shouldRetry: (policy, count, _timeout, response, retry) =>
    retry || (count < (policy?.maxNumRetry ?? 0) && (response?.code === 0 || response?.code === 400)),
};

function config(live: boolean, position: number, mode: Mode, latencyController: HlsConfig["latencyController"]): Partial<HlsConfig> {
  return {
    latencyController,
    startPosition: position,
    lowLatencyMode: live && mode !== "stable",
    liveDurationInfinity: true,
    // hls.js does not catch up by itself: without this, what a stall cost stays lost.
    maxLiveSyncPlaybackRate: catchUp[mode],
    liveSyncOnStallIncrease: 0, // the cushion does this, and takes it back
    maxBufferLength: 30,
    backBufferLength: 60,
    capLevelToPlayerSize: true,
    // By default a level that failed once is never chosen again: a viewer would
    // stay on the lowest rung for good.
    errorPenaltyExpireMs: 15_000,
    playlistLoadPolicy: { default: { maxTimeToFirstByteMs: 10_000, maxLoadTimeMs: 20_000, timeoutRetry, errorRetry } },
    fragLoadPolicy: { default: { maxTimeToFirstByteMs: 10_000, maxLoadTimeMs: 60_000, timeoutRetry, errorRetry } },
    // There are no captions in the stream; the parsers would look for them in each part.
    enableWebVTT: false,
    enableIMSC1: false,
    enableCEA708Captions: false,
  };
}

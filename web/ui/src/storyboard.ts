// The small pictures above the time line. Their list is WebVTT, in the time of
// the broadcast, and grows while it is live; the player's own time begins where
// the viewer joined, so the list is read here and laid on the player's time.

export interface Picture {
  start: number; // seconds of the broadcast
  end: number;
  url: string; // with #xywh=
}

const timing = /^(?:(\d+):)?(\d\d):(\d\d)\.(\d{3})\s+-->\s+(?:(\d+):)?(\d\d):(\d\d)\.(\d{3})/;

// parse reads the cues that name a piece of a picture, and leaves out all else.
export function parse(vtt: string, base: string): Picture[] {
  const pictures: Picture[] = [];
  for (const block of vtt.replace(/\r\n?/g, "\n").split(/\n{2,}/)) {
    const lines = block.split("\n");
    const at = lines.findIndex((l) => timing.test(l));
    const t = at < 0 ? null : timing.exec(lines[at] ?? "");
    const text = (lines[at + 1] ?? "").trim();
    if (!t || !/#xywh=\d+,\d+,\d+,\d+$/.test(text)) {
      continue;
    }
    const n = t.slice(1).map((s) => Number(s ?? 0));
    const seconds = (i: number): number => (n[i] ?? 0) * 3600 + (n[i + 1] ?? 0) * 60 + (n[i + 2] ?? 0) + (n[i + 3] ?? 0) / 1000;
    pictures.push({ start: seconds(0), end: seconds(4), url: new URL(text, base).href });
  }
  return pictures;
}

const patience = 5000;
const fresh = 5000; // milliseconds for which a list is not asked for again

// A Storyboard keeps the text track in which media-chrome looks for pictures. It
// asks the server only when somebody points at the time line.
export class Storyboard {
  readonly #track: TextTrack;
  #url = "";
  #live = false;
  #shift: () => number;
  #asked = -Infinity;
  #laid = ""; // what the track holds

  // shift is the broadcast's time at the player's time zero, in seconds.
  constructor(video: HTMLVideoElement, shift: () => number) {
    this.#track = video.addTextTrack("metadata", "thumbnails");
    this.#track.mode = "hidden";
    this.#shift = shift;
  }

  // show takes the pictures from url from now on; none without one.
  show(url: string | undefined, live: boolean): void {
    this.#live = live;
    if ((url ?? "") === this.#url) {
      return;
    }
    this.#url = url ?? "";
    this.#asked = -Infinity;
    this.#lay("", []);
  }

  // wanted says that the time line is pointed at: the list is read, unless it was
  // just now. Without a list there are no pictures, and nothing is said of it. It
  // returns whether there are other pictures now.
  async wanted(): Promise<boolean> {
    const url = this.#url;
    const now = performance.now();
    const held = this.#laid !== "" && (this.#track.cues?.length ?? 0) > 0;
    if (url === "" || now - this.#asked < fresh || (held && !this.#live)) {
      return false;
    }
    this.#asked = now;
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(patience), cache: "no-cache" });
      if (answer.ok && url === this.#url) {
        const text = await answer.text();
        return this.#lay(text, parse(text, new URL(answer.url || url, location.href).href));
      }
    } catch {
      // The next pointing asks again.
    }
    return false;
  }

  #lay(text: string, pictures: Picture[]): boolean {
    const shift = this.#shift();
    const state = `${shift.toFixed(1)} ${text}`;
    if (state === this.#laid && (this.#track.cues?.length ?? 0) > 0) {
      return false;
    }
    for (const cue of [...(this.#track.cues ?? [])]) {
      this.#track.removeCue(cue);
    }
    for (const p of pictures) {
      if (p.end > shift) {
        this.#track.addCue(new VTTCue(Math.max(0, p.start - shift), p.end - shift, p.url));
      }
    }
    this.#laid = pictures.length > 0 ? state : "";
    return true;
  }
}

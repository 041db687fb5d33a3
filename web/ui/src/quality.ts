// The quality menu's entries: what this browser can play, each height once, and
// the source by its name.

// A LevelLike is what is needed of an hls.js level.
export interface LevelLike {
  width: number;
  height: number;
  frameRate: number;
  bitrate: number;
  uri: string;
  videoCodec?: string | undefined;
}

export interface Quality {
  level: number; // its index in hls.js
  name: string; // "720p30": which of the qualities it is
  label: string; // "Source 720p30": what the menu says
}

const source = /(?:^|\/)source\/[^/]*$/;
const rung = /(?:^|\/)(\d+p\d+)(?:-h265)?\/[^/]*$/;

// qualities are the entries for levels, best first. Two levels of one name, such
// as the H.264 and the H.265 rendition of a rung, are one entry: the source
// where it is one of them, else the one that needs fewer bits.
export function qualities(levels: readonly LevelLike[], playable: (codec: string) => boolean): Quality[] {
  const best = new Map<string, number>();
  levels.forEach((l, i) => {
    if (l.videoCodec && !playable(l.videoCodec)) {
      return;
    }
    const name = nameOf(l);
    const was = levels[best.get(name) ?? -1];
    if (!was || preferred(l, was)) {
      best.set(name, i);
    }
  });
  return [...best]
    .map(([name, level]) => ({ level, name, label: isSource(levels[level]) ? `Source ${name}` : name }))
    .sort((a, b) => rank(levels[b.level]) - rank(levels[a.level]) || b.level - a.level);
}

// nameOf is a level's height and frame rate. A rung is called what the server
// calls it; of the source, the shorter side counts, as in "1080p" of a phone
// held upright.
export function nameOf(l: LevelLike): string {
  const named = rung.exec(path(l))?.[1];
  if (named) {
    return named;
  }
  const height = Math.min(l.width, l.height);
  if (!(height > 0)) {
    return "Audio only";
  }
  return `${height}p${l.frameRate > 0 ? Math.round(l.frameRate) : ""}`;
}

function preferred(a: LevelLike, b: LevelLike): boolean {
  return isSource(a) !== isSource(b) ? isSource(a) : a.bitrate < b.bitrate;
}

function isSource(l: LevelLike | undefined): boolean {
  return l !== undefined && source.test(path(l));
}

function rank(l: LevelLike | undefined): number {
  return l === undefined ? 0 : Math.min(l.width, l.height) * 1000 + l.frameRate;
}

function path(l: LevelLike): string {
  return l.uri.split(/[?#]/)[0] ?? "";
}

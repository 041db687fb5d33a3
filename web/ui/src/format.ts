// Times, dates and amounts as people read them.

// clock says a duration in seconds as 1:02:03, or 2:03.
export function clock(seconds: number): string {
  const s = Math.max(0, Math.floor(Number.isFinite(seconds) ? seconds : 0));
  const two = (n: number): string => String(n).padStart(2, "0");
  const hours = Math.floor(s / 3600);
  const minutes = Math.floor((s % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

// delay says how far behind something is: tenths of a second for as long as they
// can be told apart.
export function delay(seconds: number): string {
  return seconds < 60 ? `${Math.max(0, seconds).toFixed(1)} s` : clock(seconds);
}

// since says how long ago a date was, in the largest fitting unit.
export function since(date: string, now = Date.now()): string {
  const minutes = Math.max(0, Math.floor((now - Date.parse(date)) / 60_000));
  if (minutes < 1) {
    return "just now";
  }
  const hours = Math.floor(minutes / 60);
  return hours < 1 ? `${minutes} min` : `${hours} h ${minutes % 60} min`;
}

// day is a date in the viewer's language, with its time.
export function day(date: string): string {
  const d = new Date(date);
  if (Number.isNaN(d.getTime())) {
    return "";
  }
  return d.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

// startOffset reads ?t= of a link: 90, 90s, 1m30s or 1h2m3s, as seconds.
export function startOffset(query: string): number {
  const t = new URLSearchParams(query).get("t") ?? "";
  if (/^\d+(\.\d+)?s?$/.test(t)) {
    return parseFloat(t);
  }
  const m = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(t);
  return m ? Number(m[1] ?? 0) * 3600 + Number(m[2] ?? 0) * 60 + Number(m[3] ?? 0) : 0;
}

const names: Record<string, string> = { h264: "H.264", h265: "H.265", hevc: "H.265", aac: "AAC" };

// media says what the server says of a broadcast's tracks, such as
// "1280x720p30 h264" and "48000 Hz aac", as people write it.
export function media(video = "", audio = ""): string {
  const v = /^(\d+)x(\d+)p([\d.]+) (\S+)$/.exec(video);
  const a = /^(\d+) Hz (\S+)$/.exec(audio);
  const name = (codec = ""): string => names[codec] ?? codec.toUpperCase();
  return [
    v ? `${v[1]} × ${v[2]}, ${v[3]} fps, ${name(v[4])}` : video,
    a ? `${name(a[2])} ${Number(a[1]) / 1000} kHz` : audio,
  ]
    .filter(Boolean)
    .join(" · ");
}

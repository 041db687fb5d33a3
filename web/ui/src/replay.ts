// One recording: the same player, without an edge to be at.
import type { Replay } from "./api";
import type { Saying } from "./curtain";
import { el, write } from "./dom";
import { clock, day, startOffset } from "./format";
import { header } from "./header";
import type { State } from "./player";
import { Recordings } from "./recordings";
import { Stage } from "./stage";

export function showReplay(app: HTMLElement, broadcast: string, channel: string, playlist: string): void {
  const stage = new Stage(false);
  const { player } = stage;
  const facts = el("p", { class: "facts" });
  const others = new Recordings(`More from ${channel}`, channel, broadcast);
  const title = el("div", { class: "title" }, el("h1", {}, el("a", { href: `/${channel}` }, channel)), el("span", { class: "badge" }, "Replay"));
  app.append(header(), el("div", { class: "watch" }, stage.element, el("div", { class: "below" }, title, facts), others.element));

  player.onChange(() => {
    stage.say(saying(player.state, () => player.again()));
  });
  player.play({ playlist, live: false, start: startOffset(location.search) });
  void others.load().then((all) => {
    const found = all.find((r) => r.broadcast === broadcast);
    if (found) {
      stage.pictures(found.poster, found.storyboard);
      write(facts, describe(found));
    }
  });
}

function describe(r: Replay): string {
  return [day(r.started), clock(r.duration)].filter(Boolean).join(" · ");
}

// saying is the curtain's text; the end of a recording leaves its last picture,
// and the way back to its beginning, in sight.
function saying(state: State, again: () => void): Saying | null {
  switch (state) {
    case "unsupported":
      return {
        title: "This browser cannot play this",
        text: "The recording is in a format that it does not know. A newer browser, or any HLS player, may.",
      };
    case "retrying":
      return { title: "Connection lost", text: "Trying again…" };
    case "failed":
      return {
        title: "The recording cannot be read",
        text: "It may be gone, or the server cannot be reached.",
        action: { label: "Try again", press: again },
      };
    default:
      return null;
  }
}

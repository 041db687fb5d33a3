// One channel: says plainly whether it is live, starts by itself when it is, and
// offers what was recorded.
import { type ChannelStatus, poll } from "./api";
import { el, write } from "./dom";
import { media, since } from "./format";
import { header } from "./header";
import { Recordings } from "./recordings";
import { notice, saying, type World } from "./saying";
import { Stage } from "./stage";

const interval = 2000;
// A replay appears some seconds after the end; it is looked for this often.
const lookAgain = 5000;
const lookAtMost = 24;
// A picture that stands this long after the end will not go on, milliseconds.
const stillEnded = 3000;

export function showChannel(app: HTMLElement, channel: string, embedded: boolean): void {
  const stage = new Stage(true);
  const facts = new Facts(channel);
  const recordings = new Recordings("Past broadcasts", channel);
  app.append(...(embedded ? [stage.element] : [header(), el("div", { class: "watch" }, stage.element, facts.element, recordings.element)]));
  new Channel(channel, stage, facts, recordings).run();
}

class Channel {
  readonly #channel: string;
  readonly #stage: Stage;
  readonly #facts: Facts;
  readonly #recordings: Recordings;
  readonly #world: World;
  #broadcast = ""; // what is played, or was last
  #looks = 0;
  #misses = 0; // questions in a row without an answer

  constructor(channel: string, stage: Stage, facts: Facts, recordings: Recordings) {
    this.#channel = channel;
    this.#stage = stage;
    this.#facts = facts;
    this.#recordings = recordings;
    this.#world = { channel, reachable: true, status: "offline", seen: false, shown: false, player: "idle" };
  }

  run(): void {
    poll<ChannelStatus>(
      `/api/v1/channels/${this.#channel}`,
      interval,
      (s) => this.#hear(s),
      () => {
        // One answer that is late says nothing yet.
        this.#misses++;
        this.#world.reachable = this.#misses < 2;
        this.#draw();
      },
    );
    this.#stage.player.onChange(() => this.#draw());
    void this.#recordings.load();
  }

  #hear(s: ChannelStatus): void {
    const { player } = this.#stage;
    const back = !this.#world.reachable;
    this.#world.reachable = true;
    this.#misses = 0;
    this.#world.status = s.state;
    this.#facts.show(s);
    if (s.state === "live" && s.playlist && s.broadcast) {
      if (s.broadcast !== this.#broadcast) {
        this.#begin(s.broadcast, s.playlist);
      } else if (back && player.state === "failed") {
        player.again();
      }
      this.#stage.pictures(s.poster, s.storyboard);
    }
    this.#draw();
  }

  #begin(broadcast: string, playlist: string): void {
    this.#broadcast = broadcast;
    this.#world.seen = true;
    delete this.#world.replay;
    this.#looks = 0;
    this.#stage.fresh();
    this.#stage.player.play({ playlist, live: true });
    setMediaSession(this.#channel);
  }

  #draw(): void {
    const { player } = this.#stage;
    const world = this.#world;
    world.player = player.state;
    // A player that cannot go on, or was stopped, has shown all it will.
    world.shown = ["idle", "ended", "failed", "unsupported", "retrying"].includes(player.state) || player.still > stillEnded;
    if (world.seen && world.shown && world.status !== "live" && this.#looks === 0) {
      this.#look();
      player.stop(); // draws again
      return;
    }
    this.#stage.say(saying(world, () => player.again()));
    this.#stage.notice(notice(world));
  }

  // look asks for the recording of what has just ended, until it is there.
  #look(): void {
    if (this.#looks >= lookAtMost || this.#world.status === "live") {
      return;
    }
    this.#looks++;
    const broadcast = this.#broadcast;
    void this.#recordings.load().then((all) => {
      if (all.some((r) => r.broadcast === broadcast)) {
        this.#world.replay = `/replay/${broadcast}`;
        this.#draw();
      } else {
        window.setTimeout(() => this.#broadcast === broadcast && this.#look(), lookAgain);
      }
    });
  }
}

// Facts is the line below the picture.
class Facts {
  readonly element: HTMLElement;

  readonly #pill = el("span", { class: "badge" });
  readonly #text = el("p", { class: "facts" });

  constructor(channel: string) {
    this.element = el("div", { class: "below" }, el("div", { class: "title" }, el("h1", {}, channel), this.#pill), this.#text);
  }

  show(s: ChannelStatus): void {
    write(this.#pill, s.state);
    this.#pill.dataset["state"] = s.state;
    const began = s.state === "live" && s.started ? startedAgo(s.started) : "";
    write(this.#text, [began, media(s.video, s.audio)].filter(Boolean).join(" · "));
  }
}

function startedAgo(date: string): string {
  const ago = since(date);
  return ago === "just now" ? "Started just now" : `Live for ${ago}`;
}

// setMediaSession names what plays on lock screens and media keys.
function setMediaSession(title: string): void {
  if ("mediaSession" in navigator) {
    navigator.mediaSession.metadata = new MediaMetadata({ title, artist: "Pharos" });
  }
}

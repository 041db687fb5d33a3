// The directory of live channels.
import { type ChannelStatus, poll } from "./api";
import { el, since } from "./dom";

export function showDirectory(app: HTMLElement): void {
  const list = el("ul", { class: "channels" });
  const note = el("p", { class: "note", role: "status" }, "Looking for live channels…");
  app.append(el("header", { class: "top" }, el("h1", {}, "Pharos"), el("p", {}, "Live now")), list, note);

  poll<{ channels: ChannelStatus[] }>(
    "/api/v1/channels",
    ({ channels }) => {
      list.replaceChildren(...channels.map(card));
      note.textContent = channels.length === 0 ? "Nobody is live. This page shows who goes live, by itself." : "";
    },
    () => {
      note.textContent = "The server cannot be reached. Trying again…";
    },
  );
}

function card(c: ChannelStatus): HTMLElement {
  const facts = [c.video, c.audio].filter(Boolean).join(" · ");
  const time = c.started ? since(c.started) : "";
  return el(
    "li",
    {},
    el(
      "a",
      { href: `/${c.channel}` },
      el("span", { class: "pill" }, c.state === "live" ? "live" : "starting"),
      el("strong", {}, c.channel),
      el("span", { class: "facts" }, facts),
      el("span", { class: "facts" }, time),
    ),
  );
}

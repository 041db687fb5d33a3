// The page: the directory, a channel's player, or a recording's, by what the
// server wrote into the body.
import "./style.css";
import "./player.css";
import "./bar.css";
import "./menu.css";
import "./curtain.css";
import { showChannel } from "./channel";
import { showDirectory } from "./directory";
import { showReplay } from "./replay";

const app = document.getElementById("app");
const { kind, channel, broadcast, playlist } = document.body.dataset;
if (app) {
  if (kind === "index") {
    showDirectory(app);
  } else if (kind === "replay" && broadcast && channel && playlist) {
    showReplay(app, broadcast, channel, playlist);
  } else if (channel) {
    showChannel(app, channel, kind === "embed");
  }
}

// The page: a directory of live channels, or one channel's player, by what the
// server wrote into the body.
import "./style.css";
import { showDirectory } from "./directory";
import { showChannel } from "./channel";

const app = document.getElementById("app");
const { kind, channel } = document.body.dataset;
if (app) {
  if (kind === "index") {
    showDirectory(app);
  } else if (channel) {
    showChannel(app, channel);
  }
}

import "./clock.mjs";
import "./cushion.mjs";
import "./format.mjs";
import "./quality.mjs";
import "./recovery.mjs";
import "./saying.mjs";
import "./storyboard.mjs";

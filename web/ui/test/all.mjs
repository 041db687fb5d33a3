import "./clock.mjs";
import "./codecs.mjs";
import "./cushion.mjs";
import "./format.mjs";
import "./quality.mjs";
import "./recovery.mjs";
import "./saying.mjs";
import "./storyboard.mjs";

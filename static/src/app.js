// Everything works without this file. It makes pages live: htmx polls, ages
// tick, keys lead to the search, logs follow and scroll, text is copied.
import "htmx.org";
import "./live.js";
import "./ages.js";
import "./suggest.js"; // before keys.js: the first Escape is its own
import "./palette.js";
import "./notify.js";
import "./keys.js";
import "./log.js";
import "./logview/viewer.js";
import "./copy.js";
import "./sign_in.js";
import "./planform.js";

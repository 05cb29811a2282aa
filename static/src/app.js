// Everything works without this file. It makes pages live: htmx polls, ages
// tick, logs follow, text is copied.
import "htmx.org";
import "./live.js";
import "./ages.js";
import "./log.js";
import "./copy.js";

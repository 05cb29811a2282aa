// The pages with a picture other than the graph: machines over time, packages by
// iteration. Without this file they show their tables. What the server draws it makes
// easier to walk through.
import "./pictures/links.js";
import { GridPicture } from "./pictures/grid.js";
import { TimePicture } from "./pictures/time.js";

const section = document.getElementById("picture");
if (section) {
  const picture = section.dataset.kind === "grid" ? new GridPicture(section) : new TimePicture(section);
  const zooms = { in: () => picture.zoomBy(1.4), out: () => picture.zoomBy(1 / 1.4), fit: () => picture.fit() };
  section.addEventListener("click", (event) => zooms[event.target.closest("[data-zoom]")?.dataset.zoom]?.());
  picture.start().catch((error) => {
    section.dataset.drawn = "not";
    document.getElementById("picture-stage").textContent = `The picture cannot be shown: ${error.message}. The table below has the same.`;
  });
}

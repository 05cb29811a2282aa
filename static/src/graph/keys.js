// Everything by keyboard: along edges and levels, open, surroundings, search,
// zoom.
const PAN = 60; // px

/** Gives the actions of a page by key. */
export function keysOf(page) {
  const along = (boxes, none) => () => {
    const { scene, chosen } = page;
    if (chosen < 0) return first(page);
    const next = scene.nearest(boxes(scene, chosen), chosen);
    if (next >= 0) page.choose(next);
    else page.say(none);
  };
  const beside = (step) => () => {
    if (page.chosen < 0) return first(page);
    const next = page.scene.beside(page.chosen, step);
    if (next >= 0) page.choose(next);
    else page.say("There is no other build here on this level.");
  };
  const ofChosen = (act) => () => page.chosen >= 0 && act(page.chosen);
  return {
    ArrowLeft: along((s, b) => s.dependencies(b), "It has no dependency in this picture."),
    ArrowRight: along((s, b) => s.dependents(b), "It has no dependent in this picture."),
    ArrowUp: beside(-1),
    ArrowDown: beside(1),
    Enter: ofChosen((box) => page.open(box)),
    f: ofChosen((box) => page.surroundings(box)),
    "/": () => page.field.focus(),
    "+": () => page.zoom(1.3),
    "=": () => page.zoom(1.3),
    "-": () => page.zoom(1 / 1.3),
    0: () => page.zoom(0),
    "?": () => { const help = document.getElementById("graph-help"); help.open = !help.open; },
    Escape: () => {
      document.getElementById("graph-help").open = false;
      if (page.chosen < 0) page.canvas.blur();
      page.choose(-1);
    },
    "Shift+ArrowLeft": () => page.pan(PAN, 0),
    "Shift+ArrowRight": () => page.pan(-PAN, 0),
    "Shift+ArrowUp": () => page.pan(0, PAN),
    "Shift+ArrowDown": () => page.pan(0, -PAN),
  };
}

/** Nothing is chosen: the focus, the first failure, or the first build is. */
function first(page) {
  const { scene } = page;
  if (scene.size === 0) return;
  const failed = scene.codes.indexOf("f");
  page.choose(scene.focus >= 0 ? scene.focus : Math.max(failed, 0));
}

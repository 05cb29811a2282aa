// Options below a search field, as a combobox with a list (WAI-ARIA). htmx fetches
// them while somebody types; this shows them, and lets the arrow keys choose. Enter
// without a choice searches, as without this file.
const field = document.getElementById("site-q");
const list = document.getElementById("site-suggestions");
const optionsOf = (list) => [...list.querySelectorAll("[role=option]")];

/** Makes a combobox; with always it is open also while nothing is typed. choose is called with the option. */
export function combobox(field, list, { always = false, choose: take }) {
  const options = () => optionsOf(list);

  function choose(option) {
    for (const o of options()) o.setAttribute("aria-selected", o === option);
    if (option) {
      field.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else {
      field.removeAttribute("aria-activedescendant");
    }
  }

  function show(yes) {
    yes &&= (always || field.value.trim() !== "") && document.activeElement === field && options().length > 0;
    list.hidden = !yes;
    field.setAttribute("aria-expanded", yes);
    choose(null);
  }

  function move(step) {
    if (list.hidden) show(true);
    const all = options();
    if (list.hidden || all.length === 0) return;
    const at = all.findIndex((o) => o.getAttribute("aria-selected") === "true");
    // One place more than there are options: the field itself.
    const next = (at + 1 + step + all.length + 1) % (all.length + 1);
    choose(next === 0 ? null : all[next - 1]);
  }

  field.addEventListener("input", () => !always && field.value.trim() === "" && show(false));
  field.addEventListener("blur", () => show(false));
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter") {
      const chosen = list.hidden ? null : list.querySelector("[aria-selected=true]");
      if (!chosen) return;
      event.preventDefault();
      take(chosen);
    } else if (event.key === "Escape" && !list.hidden && !always) {
      event.preventDefault();
      event.stopPropagation(); // the first Escape closes the list, the next leaves the field
      show(false);
    }
  });
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // keeps the focus, and so the list
    const option = event.target.closest("[role=option]");
    if (option && event.button === 0) take(option);
  });
  return { show, choose };
}

if (field && list) {
  const box = combobox(field, list, { choose: (option) => location.assign(option.dataset.url) });
  document.addEventListener("htmx:after:swap", () => {
    if (document.activeElement === field) box.show(true);
  });
}

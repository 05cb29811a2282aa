// The form of a plan: when a field is changed, the plan beside it is greyed, its button
// cannot be pressed, and the plan is made anew. Without this file the server notices, and
// shows the new plan instead of making what nobody has seen.
const form = document.getElementById("plan-form");
const result = document.getElementById("plan-result");
const pause = 700; // ms without typing before the plan is made anew

let timer;
let asked = 0;

function stale(yes) {
  result.classList.toggle("plan-stale", yes);
  for (const button of result.querySelectorAll("button")) button.disabled = yes;
}

async function plan() {
  const number = ++asked;
  try {
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("plan-result");
    if (number !== asked || !fresh) return;
    const wrong = page.querySelector(".field-error, .alert[role=alert]");
    result.replaceChildren(...fresh.childNodes);
    if (wrong) {
      const p = document.createElement("p");
      p.className = "alert";
      p.textContent = wrong.textContent;
      result.prepend(p);
    }
    for (const tag of form.querySelectorAll(".choice label")) {
      const now = page.querySelector(`label[for="${tag.htmlFor}"]`);
      if (now) tag.replaceChildren(...now.childNodes);
    }
    stale(Boolean(wrong));
  } catch {
    // The server is gone for now: the plan stays grey, and "Show plan" asks again.
  }
}

if (form && result) {
  const change = (event) => {
    if (event.target.name === "name" || !result.querySelector("[name=planned]")) return;
    asked++; // an answer that is on its way is of another form
    stale(true);
    clearTimeout(timer);
    timer = setTimeout(plan, pause);
  };
  form.addEventListener("input", change);
  form.addEventListener("change", change);
  result.addEventListener("input", (event) => {
    if (event.target.id !== "plan-find") return;
    const wanted = event.target.value.trim().toLowerCase();
    let found = 0;
    for (const build of result.querySelectorAll(".plan-build")) {
      build.hidden = wanted !== "" && !build.dataset.name.toLowerCase().includes(wanted);
      if (!build.hidden) found++;
    }
    for (const level of result.querySelectorAll("details.level")) {
      const some = level.querySelector(".plan-build:not([hidden])") !== null;
      level.parentElement.hidden = !some;
      if (wanted && some) level.open = true;
    }
    result.querySelector("#plan-found").textContent = wanted ? `${found} of those listed` : "";
  });
}

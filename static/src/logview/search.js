// The search form answers without loading the page again. The server searches a
// bounded time; where it has found nothing in that time, it is asked to go on.
import { byId } from "./rows.js";

/** Calls found after every answer that has something new to show. */
export function searchWith(rows, found) {
  const form = byId("log-search");
  let asked = 0;

  async function search(from) {
    const mine = ++asked;
    const query = new URLSearchParams(new FormData(form));
    const page = new URLSearchParams(location.search);
    for (const name of ["q", "regexp", "case"]) page.delete(name);
    for (const [name, value] of query) page.set(name, value);
    history.replaceState(null, "", `${location.pathname}?${page}${location.hash}`);
    form.setAttribute("aria-busy", "true");
    try {
      for (let next = from; next > 0; ) {
        query.set("hits", next);
        const answer = await fetch(`${rows.page}/hits?${query}`);
        if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
        const text = await answer.text();
        if (mine !== asked) return; // another search began
        byId("log-hits").innerHTML = text;
        const section = byId("log-hits").firstElementChild;
        next = section.dataset.hits === "0" ? Number(section.dataset.next) : 0;
      }
      found();
    } catch (error) {
      document.body.classList.add("connection-lost");
      console.info(`search: ${error.message}`);
    } finally {
      if (mine === asked) form.removeAttribute("aria-busy");
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search(1);
  });
  byId("log-hits").addEventListener("click", (event) => {
    const more = event.target.closest("#log-more-hits");
    if (!more) return;
    event.preventDefault();
    search(Number(more.dataset.from));
  });
}

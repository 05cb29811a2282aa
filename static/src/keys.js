// "/" leads to the search from anywhere, as in many programs; Escape leaves it.
document.addEventListener("keydown", (event) => {
  const search = document.getElementById("site-q");
  if (!search || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && event.target === search) search.blur();
  if (event.key !== "/" || event.target.closest("input, textarea, select, [contenteditable]")) return;
  event.preventDefault();
  search.focus();
  search.select();
});

// What only the app needs, after films.js and in one function with it.

// Gradio's own box takes a film that is dropped on it without asking anybody.
document.addEventListener("drop", ({ target, dataTransfer }) => {
  const input = target.closest?.(".drop")?.querySelector("input[type=file]");
  showPreview(input, dataTransfer?.files[0]);
}, true);

actions.sort = (button) => {
  const header = button.closest("th");
  const order = header.ariaSort === "ascending" ? "descending" : "ascending";
  for (const other of header.parentNode.children) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", order);
  const key = (row) => row.children[header.cellIndex].dataset.key ?? "";
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;
  const body = header.closest("table").tBodies[0];
  const sign = order === "ascending" ? 1 : -1;
  body.append(...[...body.rows].sort((a, b) => sign * compare(key(a), key(b))));
};

new MutationObserver(() => {
  // The box is empty again when the answer is there, whatever it is.
  if (preview && !preview.box.querySelector("input[type=file]")) preview.sent = true;
  else if (preview?.sent) preview.end();
  // Wide tables of the model card scroll, so the keyboard has to reach them.
  for (const table of document.querySelectorAll(".card table")) table.tabIndex = 0;
}).observe(document.body, { childList: true, subtree: true });
document.documentElement.dataset.ready = "";

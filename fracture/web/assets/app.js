// Runs once, when the page stands. Results arrive as HTML, so events are delegated.
() => {
  // gr.File takes no paste, and a drop only on itself: hand films to the open page.
  const give = (event, data) => {
    const boxes = [...document.querySelectorAll(".drop")];
    const input = boxes.find((box) => box.checkVisibility())?.querySelector("input[type=file]");
    if (!data?.files.length || !input || event.defaultPrevented) return;
    event.preventDefault();
    const films = new DataTransfer();
    const many = input.multiple ? data.files.length : 1;
    for (const file of [...data.files].slice(0, many)) films.items.add(file);
    input.files = films.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  document.addEventListener("paste", (event) => give(event, event.clipboardData));
  // Or the browser would leave the page for a film dropped beside the box.
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => give(event, event.dataTransfer));

  // The chosen film shows at once, as the browser reads it, until its finding is there.
  let preview;
  const showPreview = (input, file) => {
    const content = input?.closest("[role=tabpanel]").querySelector(".block.result .html-container");
    if (!content || !file || input.multiple) return;
    preview?.end();
    const box = input.closest(".drop");
    const figure = document.createElement("figure");
    const film = Object.assign(new Image(), { alt: "", src: URL.createObjectURL(file) });
    const caption = document.createElement("figcaption");
    caption.textContent = `${file.name} is being read`;
    film.onerror = () => film.remove(); // a format that only the server reads
    figure.className = "preview";
    figure.append(film, caption);
    content.before(figure);
    let sent = false;
    preview = {
      end: () => {
        figure.remove();
        URL.revokeObjectURL(film.src);
        preview = undefined;
      },
      // The box is empty again when the answer is there, whatever it is.
      look: () => {
        if (!box.querySelector("input[type=file]")) sent = true;
        else if (sent) preview.end();
      },
    };
  };
  document.addEventListener("change", ({ target }) => {
    if (target.matches(".drop input[type=file]")) showPreview(target, target.files[0]);
  }, true);
  document.addEventListener("drop", ({ target, dataTransfer }) => {
    const input = target.closest?.(".drop")?.querySelector("input[type=file]");
    showPreview(input, dataTransfer?.files[0]);
  }, true);

  // The viewer: sliders set a custom property, radios show one heatmap.
  document.addEventListener("input", ({ target }) => {
    const viewer = target.closest(".viewer");
    if (!viewer) return;
    if (target.dataset.set) viewer.style.setProperty(target.dataset.set, target.value + target.dataset.unit);
    else if (target.dataset.show) viewer.querySelector(`.${target.dataset.show}`).style.display = target.checked ? "" : "none";
    else if (target.type === "radio")
      for (const heat of viewer.querySelectorAll(".heat")) heat.hidden = heat.dataset.target !== target.value;
  });
  const actions = {
    enlarge: (button) => button.closest(".viewer").querySelector(".screen").requestFullscreen?.(),
    reset: (button) => {
      for (const input of button.closest(".viewer").querySelectorAll("input")) {
        input.checked = input.defaultChecked;
        input.value = input.defaultValue;
        if (input.type === "range" || input.checked) input.dispatchEvent(new Event("input", { bubbles: true }));
      }
    },
    sort: (button) => {
      const header = button.closest("th");
      const order = header.ariaSort === "ascending" ? "descending" : "ascending";
      for (const other of header.parentNode.children) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", order);
      const key = (row) => row.children[header.cellIndex].dataset.key ?? "";
      const compare = new Intl.Collator(undefined, { numeric: true }).compare;
      const body = header.closest("table").tBodies[0];
      const sign = order === "ascending" ? 1 : -1;
      body.append(...[...body.rows].sort((a, b) => sign * compare(key(a), key(b))));
    },
  };
  document.addEventListener("click", ({ target }) => actions[target.dataset?.do]?.(target));

  // Screen readers hear the finding, not its pictures; on a phone it comes into view.
  const spoken = document.createElement("p");
  spoken.className = "spoken";
  spoken.setAttribute("role", "status");
  document.querySelector(".gradio-container main, .gradio-container").append(spoken);
  const reveal = (result) => {
    const heading = result.querySelector("h2");
    if (!heading) return;
    spoken.textContent = heading.lastChild.textContent.trim();
    const { top, bottom } = heading.getBoundingClientRect();
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
    if (top < 0 || bottom > innerHeight) heading.scrollIntoView({ behavior });
  };
  // Of the whole page: a tab's content comes when the tab is opened.
  new MutationObserver((changes) => {
    preview?.look();
    const results = new Set(changes.map(({ target }) => target.closest(".block.result")));
    for (const result of results) if (result) reveal(result);
    // Wide tables of the model card scroll, so the keyboard has to reach them.
    for (const table of document.querySelectorAll(".card table")) table.tabIndex = 0;
  }).observe(document.body, { childList: true, subtree: true });
  document.documentElement.dataset.ready = "";
}

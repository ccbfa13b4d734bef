// What the app does with films and results on the page, and the page without a server
// too. Runs once, when the page stands; results arrive as HTML, so events are delegated.

// A film that is pasted, or dropped anywhere, goes to the box that is open.
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

// The chosen film shows at once, as the browser reads it, until `answered` is said.
let preview;
const showPreview = (input, file) => {
  const content = input?.closest("[role=tabpanel]").querySelector(".block.result .html-container");
  if (!content || !file || input.multiple) return;
  preview?.end();
  const figure = document.createElement("figure");
  const film = Object.assign(new Image(), { alt: "", src: URL.createObjectURL(file) });
  const caption = document.createElement("figcaption");
  caption.textContent = `${file.name} is being read`;
  film.onerror = () => film.remove(); // a format that browsers do not show
  figure.className = "preview";
  figure.append(film, caption);
  content.before(figure);
  preview = {
    box: input.closest(".drop"),
    end: () => {
      figure.remove();
      URL.revokeObjectURL(film.src);
      preview = undefined;
    },
  };
};
document.addEventListener("change", ({ target }) => {
  if (target.matches(".drop input[type=file]")) showPreview(target, target.files[0]);
}, true);
document.addEventListener("answered", () => preview?.end());

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
};
document.addEventListener("click", ({ target }) => actions[target.dataset?.do]?.(target));

// Screen readers hear the finding, not its pictures; on a phone it comes into view.
const spoken = document.createElement("p");
spoken.className = "spoken";
spoken.setAttribute("role", "status");
document.querySelector(".gradio-container, main").append(spoken);
const reveal = (result) => {
  const heading = result.querySelector("h2");
  if (!heading) return;
  spoken.textContent = heading.lastChild.textContent.trim();
  const { top, bottom } = heading.getBoundingClientRect();
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
  if (top < 0 || bottom > innerHeight) heading.scrollIntoView({ behavior });
};
// Of the whole page: in the app a tab's content comes when the tab is opened.
new MutationObserver((changes) => {
  const results = new Set(changes.map(({ target }) => target.closest(".block.result")));
  for (const result of results) if (result) reveal(result);
}).observe(document.body, { childList: true, subtree: true });

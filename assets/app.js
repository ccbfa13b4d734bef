// Runs once, when the page stands.
() => {
  // gr.File takes no paste, and a drop only on itself: hand it films from anywhere.
  const give = (event, data) => {
    const file = data?.files[0];
    const input = document.querySelector("#film input[type=file]");
    if (!file || !input || event.defaultPrevented) return;
    event.preventDefault();
    const one = new DataTransfer();
    one.items.add(file);
    input.files = one.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  document.addEventListener("paste", (event) => give(event, event.clipboardData));
  // Or the browser would leave the page for a film dropped beside the box.
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => give(event, event.dataTransfer));

  // Screen readers speak the finding; on a phone it is brought into view.
  const report = document.querySelector("#report");
  report.setAttribute("aria-live", "polite");
  const reveal = () => {
    const { top, bottom } = report.getBoundingClientRect();
    if (top < 0 || bottom > innerHeight) report.scrollIntoView({ behavior: "smooth" });
  };
  new MutationObserver(reveal).observe(report, { childList: true, subtree: true });
}

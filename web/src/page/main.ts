// The page: boxes that take films, results that are shown; workers do the work.

import "../../../fracture/rendering/templates/finding.css";
import "../../../fracture/web/assets/films.css";
import "./page.css";
import "../../../fracture/web/assets/films.js";

import { Films, type Found } from "./films";
import { keepOffline } from "./offline";
import { renderFilm, renderProgress, renderStudy } from "./render";
import { makeTabs } from "./tabs";
import { failed, unexpected } from "./view";
import words from "./words.json";

const EXAMPLES = import.meta.glob<string>("../../../examples/*.jpg", {
  eager: true,
  query: "?url",
  import: "default",
});

const find = <T extends Element = HTMLElement>(selector: string) =>
  document.querySelector<T>(selector)!;
const progress = find("#model");

function showProgress(loaded: number, total: number): void {
  const bar = progress.querySelector("progress")!;
  const [mb, of] = [loaded, total].map((bytes) => (bytes / 1e6).toFixed(1));
  bar.hidden = false;
  if (total) Object.assign(bar, { value: loaded, max: total });
  tell(`The model is being loaded: ${mb}${total ? ` of ${of}` : ""} MB`);
}

function tell(text: string): void {
  progress.querySelector("p")!.textContent = text;
}

tell("The model is being loaded");
const url = new URL(find<HTMLMetaElement>("meta[name=weights]").content, document.baseURI);
const films = keepOffline().then(
  () =>
    new Films(url.href, showProgress, (loaded) => {
      progress.querySelector("progress")!.hidden = true;
      if ("error" in loaded) tell(`The model could not be loaded: ${loaded.error.message}`);
      else tell(`The model is here: ${loaded.weights.name} ${loaded.weights.version}`);
    }),
);

/** One tab's box and its result; who chooses another film no longer wants the last. */
class Panel {
  private asked = new AbortController();
  private readonly result: Element;

  constructor(
    panel: HTMLElement,
    private readonly isStudy: boolean,
  ) {
    this.result = panel.querySelector(".html-container")!;
    const input = panel.querySelector("input")!;
    input.addEventListener("change", () => {
      const files = [...input.files!];
      input.value = ""; // or the same film could not be chosen again
      void this.read(files.map((file) => ({ name: file.name, file })));
    });
  }

  /** `label` is what the readers of the one film called it, where that is known. */
  async read(
    files: { name: string; file: Blob }[],
    label: string | null = null,
  ): Promise<void> {
    if (!files.length) return;
    this.asked.abort();
    const { signal } = (this.asked = new AbortController());
    const html = await this.answer(files, label, signal).catch((error: unknown) =>
      renderFilm(failed("The page", unexpected(error)), null),
    );
    if (html === undefined || signal.aborted) return;
    this.result.innerHTML = html;
    document.dispatchEvent(new Event("answered"));
  }

  private async answer(
    files: { name: string; file: Blob }[],
    label: string | null,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    if (this.isStudy && files.length > words.limits.views) {
      const error = { code: "too_many_views", message: words.messages.too_many_views };
      return renderFilm(failed("The study", error), null);
    }
    const onView = (done: number) => {
      if (this.isStudy) this.result.innerHTML = renderProgress(done, files.length);
    };
    onView(0); // of one film the preview tells
    const { isStudy } = this;
    const found = await (await films).read({ files, isStudy, signal, onView });
    if (!found) return undefined;
    if ("error" in found) return renderFilm(failed("The model", found.error), null);
    return render(found, label);
  }
}

function render({ views, study, weights }: Found, label: string | null): string {
  return study ? renderStudy(study, views) : renderFilm(views[0]!, weights, label);
}

makeTabs(find("[role=tablist]"));
const reading = new Panel(find("#read"), false);
new Panel(find("#study"), true);
for (const [index, button] of document.querySelectorAll(".examples button").entries()) {
  const { file: stored, name, label } = words.examples[index]!;
  const address = EXAMPLES[`../../../examples/${stored}`]!;
  button.querySelector("img")!.src = address;
  button.addEventListener("click", async () => {
    const file = await fetch(address).then(
      (response) => response.blob(),
      () => new Blob(), // which is refused as any empty file
    );
    await reading.read([{ name, file }], label);
  });
}
document.documentElement.dataset["ready"] = "";

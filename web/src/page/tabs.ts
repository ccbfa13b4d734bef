// Tabs as people use them: by pointer, arrow keys, Home and End.

/** Makes the tabs of a page show the panel that each controls. */
export function makeTabs(list: Element): void {
  const tabs = [...list.querySelectorAll<HTMLElement>("[role=tab]")];
  const open = (chosen: HTMLElement) => {
    for (const tab of tabs) {
      const isOpen = tab === chosen;
      tab.setAttribute("aria-selected", String(isOpen));
      tab.tabIndex = isOpen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")!)!.hidden = !isOpen;
    }
  };
  for (const tab of tabs) tab.addEventListener("click", () => open(tab));
  list.addEventListener("keydown", (event) => {
    const { key } = event as KeyboardEvent;
    const at = tabs.findIndex((tab) => tab === document.activeElement);
    const moves: Record<string, number> = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1 + tabs.length,
      Home: 0,
      End: tabs.length - 1,
    };
    if (at < 0 || moves[key] === undefined) return;
    event.preventDefault();
    const next = tabs[moves[key] % tabs.length]!;
    open(next);
    next.focus();
  });
}

// The page on its next visits: from this device, whether there is a network or not.

const PATIENCE = 3000; // milliseconds; then the page goes on without

/**
 * Has a service worker keep the page's own files.
 *
 * Resolves when it does, so that it sees the model being loaded and nothing is loaded
 * twice; or when it cannot: in a private window, or on a page that is not secure.
 */
export async function keepOffline(): Promise<void> {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return;
  const keeping = new Promise<unknown>((resolve) => {
    serviceWorker.addEventListener("controllerchange", resolve, { once: true });
  });
  try {
    await serviceWorker.register("sw.js");
  } catch {
    return;
  }
  if (serviceWorker.controller) return;
  const late = new Promise((resolve) => window.setTimeout(resolve, PATIENCE));
  await Promise.race([keeping, late]);
}

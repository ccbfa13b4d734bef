// What the page may do, as a Content-Security-Policy and as headers of a static host.

/** Nothing but the page's own files; no request can carry a film anywhere. */
export const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "connect-src 'self'",
  "style-src 'self'",
  "style-src-attr 'unsafe-inline'", // the length of a bar, and where a point stands
  "img-src 'self' data: blob:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** Headers of each file, as Netlify's and Cloudflare's static hosts read them. */
export const HEADERS = `/*
  Content-Security-Policy: ${POLICY}
  Cross-Origin-Embedder-Policy: require-corp
  Cross-Origin-Opener-Policy: same-origin
  Cross-Origin-Resource-Policy: same-origin
  Referrer-Policy: no-referrer
  X-Content-Type-Options: nosniff
`;

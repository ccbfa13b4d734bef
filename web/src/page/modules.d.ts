declare module "virtual:templates" {
  const templates: Record<string, object>;
  export default templates;
}

declare module "nunjucks/browser/nunjucks-slim" {
  export { Environment, PrecompiledLoader } from "nunjucks";
}

// Hooks of Node's module loader: the handlers are ES modules, whatever package they lie
// in, and what AppSync's runtime gives them comes from here.
const HANDLERS = new URL("../../infra/resolvers/", import.meta.url).href;
const UTILS = new URL("./appsync-utils.mjs", import.meta.url).href;

export async function resolve(name, context, next) {
  if (name === "@aws-appsync/utils") return { url: UTILS, format: "module", shortCircuit: true };
  if (name.startsWith(HANDLERS)) return { url: name, format: "module", shortCircuit: true };
  return next(name, context);
}

// The Lambda data source: a field's context goes through the handlers that the stack
// deploys (infra/resolvers/lambda.js, unchanged) to the function and back.
import { register } from "node:module";

// The handlers import a module of AppSync's own runtime; here it is appsync-utils.mjs.
register("./handler-imports.mjs", import.meta.url);
const imported = (name) => import(new URL(`../../infra/resolvers/${name}`, import.meta.url).href);
const [handlers, publish] = [await imported("lambda.js"), await imported("publish.js")];

/** The data source NONE: the handlers' payload is their result. */
export function none(context) {
  const { payload } = publish.request(context);
  return publish.response({ ...context, result: payload });
}

/** A Lambda function behind an address that takes Lambda's Invoke request. */
export class Lambda {
  #address;

  constructor(address) {
    this.#address = address;
  }

  /** Resolves a field: answers its value, or throws the error that the handlers raised. */
  async resolve(context) {
    const asked = handlers.request(context);
    if (asked.operation !== "Invoke") throw new Error(`the stand-in knows no operation ${asked.operation}`);
    const outcome = await this.#invoke(asked.payload);
    return handlers.response({ ...context, ...outcome });
  }

  async #invoke(payload) {
    const response = await fetch(this.#address, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(payload),
    });
    const result = await response.json();
    if (response.ok && !response.headers.has("x-amz-function-error")) return { result };
    // What a function throws has no type of its own on this way (docs/compatibility.md, Lambda).
    return { result: null, error: { message: result.errorMessage, type: "Lambda:Unhandled" } };
  }
}

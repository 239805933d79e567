// gql for Python, from the environment that run.sh makes.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { play } from "../common/played.mjs";

const environment = process.env.GQL_VENV || fileURLToPath(new URL("../../../target/gql", import.meta.url));
const player = fileURLToPath(new URL("player.py", import.meta.url));

/** A program of the environment. */
export function program(name) {
  const path = `${environment}/bin/${name}`;
  assert.ok(existsSync(path), `there is no ${path}: run.sh makes it, or set GQL_VENV`);
  return path;
}

/** Opens gql over one of its transports; `websockets` is what it takes by itself. */
export const openOver = (transport) => ({ apiKey }, url) => play(program("python"), [player, transport, url, apiKey]);

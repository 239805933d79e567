// A server to test against: the running one of MESH_URL and MESH_API_KEY, or one
// that is started here from MESH_BIN, with an empty folder and free ports.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const START_MS = 20_000;
const OUTPUT = 100_000; // characters of its output that are kept
const STOP_MS = 10_000; // it drains sockets for 5 s at most
const root = new URL("../../../", import.meta.url);

/**
 * Starts a server. `secure` asks for one behind TLS; `keys` is a file of named keys,
 * `flags` are more of its flags. `output` is what it printed and logged; `data` is its folder.
 * Resolves to undefined when the running server is not of the wanted kind.
 *
 * @returns {Promise<{url: string, apiKey: string, ca?: string, stop: () => Promise<void>,
 *   restart?: () => Promise<void>, output?: () => string, data?: string} | undefined>}
 */
export async function startServer({ secure = false, keys, log = "warn", flags = [] } = {}) {
  const { MESH_URL, MESH_API_KEY } = process.env;
  if (MESH_URL) {
    assert.ok(MESH_API_KEY, "MESH_URL is set: set MESH_API_KEY too");
    const url = new URL("/graphql", MESH_URL);
    if (secure && url.protocol !== "https:") return undefined;
    return { url: url.href, apiKey: MESH_API_KEY, ca: process.env.NODE_EXTRA_CA_CERTS, stop: async () => {} };
  }

  const program = binary();
  const home = mkdtempSync(join(tmpdir(), "mesh-v2-clients-"));
  const apiKey = "da2-clients";
  const args = ["serve", "--listen", "127.0.0.1:0", "--data", join(home, "data"), "--api-keys", apiKey, "--log", log];
  args.push(...flags);
  if (secure) args.push("--tls-listen", "127.0.0.1:0", "--tls-self-signed", home);
  if (keys) {
    writeFileSync(join(home, "keys"), keys);
    args.push("--keys", join(home, "keys"));
  }
  // In its own folder and without our settings, so that no .env file or
  // variable of the caller changes what is tested.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(MESH_|STAGE$)/.test(name)));
  const clean = () => rmSync(home, { recursive: true, force: true });
  const wanted = new RegExp(`endpoint\\s+(${secure ? "https" : "http"}://\\S+)`);
  let running = await run(program, args, { cwd: home, env }, wanted).catch((error) => {
    clean();
    throw error;
  });

  const stop = async () => {
    await running.stop();
    clean();
  };
  /** Ends it and starts it again on its folder and at its address. */
  const restart = async () => {
    await running.stop();
    const flag = secure ? "--tls-listen" : "--listen";
    args[args.indexOf(flag) + 1] = new URL(running.url).host;
    running = await run(program, args, { cwd: home, env }, wanted);
  };
  process.once("exit", clean);
  const ca = secure ? join(home, "ca.pem") : undefined;
  return { url: running.url, apiKey, ca, stop, restart, output: () => running.output(), data: join(home, "data") };
}

/** Starts the program; resolves once it printed the wanted address. */
async function run(program, args, options, wanted) {
  const server = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let ended = false;
  const end = new Promise((resolve) => {
    server.once("error", (error) => resolve((output += `\n${error.message}`)));
    server.once("exit", resolve);
  }).then(() => (ended = true));
  const lastResort = () => server.kill("SIGKILL");
  process.once("exit", lastResort);
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

  const stop = async () => {
    server.kill("SIGTERM");
    const hard = setTimeout(() => server.kill("SIGKILL"), STOP_MS);
    await end;
    clearTimeout(hard);
    process.off("exit", lastResort);
    assert.notEqual(server.signalCode, "SIGKILL", `the server did not stop by itself within ${STOP_MS / 1_000} s`);
  };

  const url = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`the server did not start:\n${output}`)), START_MS);
    const look = (chunk) => {
      output = (output + chunk).slice(-OUTPUT);
      // A whole line, or the address may still be cut off.
      const found = output.slice(0, output.lastIndexOf("\n") + 1).match(wanted);
      if (!found) return;
      clearTimeout(late);
      resolve(found[1]);
    };
    server.stdout.on("data", look);
    server.stderr.on("data", look);
    end.then(() => {
      clearTimeout(late);
      reject(new Error(`the server ended:\n${output}`));
    });
  }).catch(async (error) => {
    if (!ended) await stop();
    throw error;
  });
  return { url, stop, output: () => output };
}

function binary() {
  const given = process.env.MESH_BIN;
  const places = given
    ? [given]
    : ["release", "debug"].map((profile) => fileURLToPath(new URL(`target/${profile}/mesh-v2`, root)));
  const found = places.find((place) => existsSync(place));
  assert.ok(found, `no server at ${places.join(" or ")}: build it, or set MESH_BIN`);
  return found;
}

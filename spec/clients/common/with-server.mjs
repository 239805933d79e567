// Runs a command with MESH_URL and MESH_API_KEY of a server that runs as long:
//   node with-server.mjs COMMAND [ARGUMENT…]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { startServer } from "./server.mjs";

const [command, ...args] = process.argv.slice(2);
const { url, apiKey, stop } = await startServer();
const child = spawn(command, args, {
  stdio: "inherit",
  env: { ...process.env, MESH_URL: new URL("/", url).href, MESH_API_KEY: apiKey },
});
process.once("exit", () => child.kill());
const [code] = await Promise.race([once(child, "exit"), once(child, "error").then(() => [127])]);
await stop();
process.exit(code ?? 1);

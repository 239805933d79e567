// Runs a command with MESH_URL and MESH_API_KEY of a stage that lives as long:
//   node with-stage.mjs COMMAND [ARGUMENT…]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { startStage } from "./stage.mjs";

const [command, ...args] = process.argv.slice(2);
const { url, apiKey, stop } = await startStage();
const child = spawn(command, args, {
  stdio: "inherit",
  env: { ...process.env, MESH_URL: new URL("/", url).href, MESH_API_KEY: apiKey },
});
process.once("exit", () => child.kill());
const [code] = await Promise.race([once(child, "exit"), once(child, "error").then(() => [127])]);
await stop();
process.exit(code ?? 1);

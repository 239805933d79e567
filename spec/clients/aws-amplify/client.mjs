// Amplify, played by a process of its own that trusts the server's certificate.
import { fileURLToPath } from "node:url";
import { play } from "../common/played.mjs";

const program = fileURLToPath(new URL("player.mjs", import.meta.url));

export const open = ({ apiKey, ca }, url) =>
  play(process.execPath, [program, url, apiKey], ca ? { NODE_EXTRA_CA_CERTS: ca } : {});

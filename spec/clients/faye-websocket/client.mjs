// Ruby's faye-websocket, played by a process that trusts the server's certificate.
import { fileURLToPath } from "node:url";
import { play } from "../common/played.mjs";

const player = fileURLToPath(new URL("player.rb", import.meta.url));

// Debian's own Ruby: its packages are not seen by any other.
export const open = ({ apiKey, ca }, url) =>
  play(process.env.RUBY || "/usr/bin/ruby", [player, url, apiKey], ca ? { SSL_CERT_FILE: ca } : {});

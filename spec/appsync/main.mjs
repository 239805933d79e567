// The AppSync stand-in: one process, many APIs. The suite (spec/support/appsync.rs) writes
// to its stdin, a line of JSON each, which APIs to open and to close:
//   {"open": "1", "key": "da2-…", "invoke": "http://…"}  ->  {"opened": "1", "endpoint": "http://…/graphql"}
//   {"close": "1"}
// An API accepts the API key `key` and has a Lambda function at `invoke` (lambda.mjs); api.mjs has
// the other settings.
// The process ends when stdin ends: its parent process has ended.
import { createInterface } from "node:readline";
import { openApi } from "./api.mjs";

const apis = new Map();
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { open, close, ...settings } = JSON.parse(line);
    if (open) {
      const api = await openApi(settings);
      apis.set(open, api);
      print({ opened: open, endpoint: api.endpoint });
    } else {
      apis.get(close)?.close();
      apis.delete(close);
    }
  })
  .on("close", () => process.exit(0));

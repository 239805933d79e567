// The AppSync stand-in: one process, many stages. The spec (spec/support/appsync.rs) tells
// it on stdin, a line of JSON each, which stages to open and to close:
//   {"open": "1", "key": "da2-…", "invoke": "http://…"}  ->  {"opened": "1", "endpoint": "http://…/graphql"}
//   {"close": "1"}
// A stage answers to the API key `key` and has a Lambda function at `invoke` (lambda.mjs).
// When stdin ends, whoever started the process is gone, and so is the process.
import { createInterface } from "node:readline";
import { openStage } from "./stage.mjs";

const stages = new Map();
const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { open, close, ...settings } = JSON.parse(line);
    if (open) {
      const stage = await openStage(settings);
      stages.set(open, stage);
      say({ opened: open, endpoint: stage.endpoint });
    } else {
      stages.get(close)?.close();
      stages.delete(close);
    }
  })
  .on("close", () => process.exit(0));

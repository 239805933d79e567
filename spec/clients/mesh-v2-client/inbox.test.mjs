// Random logs, received in random pieces over connections and in polls: each event comes once, in order.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = new URL("../../../", import.meta.url);
const esbuild = createRequire(new URL("web/package.json", root))("esbuild");
const source = fileURLToPath(new URL("clients/js/src/inbox.ts", root));
const { outputFiles } = esbuild.buildSync({ entryPoints: [source], bundle: true, format: "esm", write: false });
const { Inbox } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);

const CASES = 2_000;

/** Numbers that a seed decides. */
function randomBy(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Calls of a group in their order, several in one millisecond, and some equal. */
function logBy(random, hasOrderKeys) {
  let millisecond = 0;
  let key = 0;
  return Array.from({ length: 3 + random(12) }, () => {
    millisecond += random(3) === 0 ? 1 : 0;
    const timestamp = `2026-11-20T01:00:00.${String(millisecond).padStart(3, "0")}Z`;
    const events = Array.from({ length: 1 + random(2) }, () => ({ name: "ab"[random(2)], payload: null, orderKey: hasOrderKeys ? String(key++) : null }));
    return { firedByNodeId: "xy"[random(2)], timestamp, events };
  });
}

const eventsOf = ({ events, firedByNodeId, timestamp }) => events.map((event) => ({ ...event, firedByNodeId, timestamp }));

test("each event of a log comes once, in order", () => {
  for (let seed = 1; seed <= CASES; seed += 1) {
    const random = randomBy(seed);
    // In one millisecond, equal events before and after a gap cannot be told apart without order keys.
    const hasGaps = seed % 2 === 0;
    const log = logBy(random, hasGaps);
    const found = [];
    let since = "";
    const inbox = new Inbox({ onEvents: (events) => found.push(...events) }, (timestamp) => (since = timestamp));
    // How far the log was received, and how far over a connection, which is where one resumes.
    let received = 0;
    let position = 0;
    let polled;
    /** What comes over a connection from there on. */
    const receive = (from, to) => {
      for (const batchEvent of log.slice(from, to)) inbox.receive({ batchEvent });
      position = to;
      if (to > from) polled = undefined;
    };
    /** A poll goes on after its last cursor, or from the time of the last message on. */
    const poll = (to) => {
      const first = polled ?? log.findIndex(({ timestamp }) => timestamp >= since);
      const events = log.slice(first, to).flatMap(eventsOf);
      if (events.length === 0) return;
      inbox.poll(events);
      polled = to;
    };
    const later = (from) => from + random(log.length - from + 1);
    while (received < log.length) {
      const kind = random(hasGaps ? 3 : 2);
      const end = later(received);
      if (kind === 0) receive(position, end);
      else if (kind === 1) poll(end);
      else {
        // A connection that cannot resume begins anew; what was missed is polled before its messages.
        const [begin, last] = [end, later(end)];
        inbox.hold();
        for (const batchEvent of log.slice(begin, last)) inbox.receive({ batchEvent });
        const read = later(begin);
        poll(read);
        inbox.release();
        received = Math.max(received, read);
        position = last;
        if (last > begin) polled = undefined;
      }
      received = Math.max(received, end, position);
    }
    const wanted = log.flatMap(eventsOf).map(({ name, firedByNodeId, timestamp }) => [name, firedByNodeId, timestamp]);
    assert.deepEqual(found.map(({ name, nodeId, timestamp }) => [name, nodeId, timestamp]), wanted, `seed ${seed}`);
  }
});

// The kit itself: a packaged project runs its scripts in Chromium.
import { test } from "node:test";
import { play } from "./player.mjs";
import { broadcast, changeVariable, setVariable, valueOf, whenFlag, whenReceived } from "./project.mjs";

test("a packaged project runs", async () => {
  const player = await play({
    variables: { score: 0, copy: "" },
    scripts: [
      [whenFlag(), setVariable("score", 4), broadcast("go")],
      [whenReceived("go"), changeVariable("score", 1), setVariable("copy", valueOf("score"))],
    ],
  });
  await player.shows("copy", 5);
  await player.set("score", "x");
  await player.broadcasts("go");
  await player.shows("copy", 1);
  await player.close();
});

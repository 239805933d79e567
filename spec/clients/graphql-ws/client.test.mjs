import assert from "node:assert/strict";
import { LIST_GROUPS_BY_DOMAIN } from "../common/documents.mjs";
import { runScenario } from "../common/scenario.mjs";
import { open } from "./client.mjs";

const scenario = runScenario(open);

scenario.test("a wrong key is refused at once and not tried again", async () => {
  const stranger = open({ apiKey: "not-a-key" }, scenario.server.url);
  let tries = 0;
  stranger.client.on("opened", () => (tries += 1));
  const closed = await stranger.send(LIST_GROUPS_BY_DOMAIN, { domain: "anywhere" }).then(
    () => assert.fail("the query was answered"),
    (refused) => refused,
  );
  assert.equal(closed.code, 4401);
  assert.equal(tries, 1);
  await stranger.close();
});

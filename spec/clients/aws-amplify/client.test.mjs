import assert from "node:assert/strict";
import { LIST_GROUPS_BY_DOMAIN, ON_MESSAGE_IN_GROUP } from "../common/documents.mjs";
import { runScenario } from "../common/scenario.mjs";
import { open } from "./client.mjs";

// It comes back 5 seconds after a drop.
const scenario = runScenario(open, { secure: true, patience: 30_000 });

scenario.test("a wrong key is refused at once, over HTTP and on the socket", async () => {
  const stranger = await open({ ...scenario.server, apiKey: "not-a-key" }, scenario.server.url);
  const started = Date.now();
  const refused = await stranger.send(LIST_GROUPS_BY_DOMAIN, { domain: "anywhere" }).then(
    () => assert.fail("the query was answered"),
    (error) => stranger.refusal(error),
  );
  assert.match(`${refused.name} ${refused.message}`, /Unauthorized/);

  const failure = await new Promise((resolve) => {
    stranger.listen(ON_MESSAGE_IN_GROUP, { groupId: "any", domain: "anywhere" }, { receive: assert.fail, fail: resolve });
  });
  assert.match(JSON.stringify(failure), /UnauthorizedException|You are not authorized/);
  assert.ok(Date.now() - started < 4_000, "it was not tried again");
  await stranger.close();
});

import assert from "node:assert/strict";
import { ON_MESSAGE_IN_GROUP } from "../common/documents.mjs";
import { runScenario } from "../common/scenario.mjs";
import { open } from "./client.mjs";

const scenario = runScenario(open, { secure: true });

scenario.test("a wrong key is refused by connection_error", async () => {
  const stranger = await open({ ...scenario.server, apiKey: "not-a-key" }, scenario.server.url);
  const failure = await new Promise((resolve) => {
    stranger.listen(ON_MESSAGE_IN_GROUP, { groupId: "any", domain: "anywhere" }, { receive: assert.fail, fail: resolve });
  });
  assert.equal(failure.errors[0].errorType, "UnauthorizedException");
  assert.equal(failure.errors[0].errorCode, 401);
  await stranger.close();
});

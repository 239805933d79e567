import assert from "node:assert/strict";
import { LIST_GROUPS_BY_DOMAIN } from "../common/documents.mjs";
import { runScenario } from "../common/scenario.mjs";
import { openWith } from "./client.mjs";

const open = openWith({ retry: () => Promise.resolve() });
const scenario = runScenario(open);

scenario.test("a wrong key is refused", async () => {
  const stranger = openWith({ retryAttempts: 0 })({ apiKey: "not-a-key" }, scenario.server.url);
  const refused = await stranger.send(LIST_GROUPS_BY_DOMAIN, { domain: "anywhere" }).then(
    () => assert.fail("the query was answered"),
    (error) => error,
  );
  assert.equal(refused.response.status, 401);
  stranger.close();
});

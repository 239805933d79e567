import assert from "node:assert/strict";
import { ON_MESSAGE_IN_GROUP } from "../common/documents.mjs";
import { tellStory } from "../common/story.mjs";
import { open } from "./client.mjs";

const story = tellStory(open, { secure: true });

story.tell("a wrong key is told by connection_error", async () => {
  const stranger = await open({ ...story.stage, apiKey: "not-a-key" }, story.stage.url);
  const failure = await new Promise((resolve) => {
    stranger.listen(ON_MESSAGE_IN_GROUP, { groupId: "any", domain: "anywhere" }, { hear: assert.fail, fail: resolve });
  });
  assert.equal(failure.errors[0].errorType, "UnauthorizedException");
  assert.equal(failure.errors[0].errorCode, 401);
  await stranger.close();
});

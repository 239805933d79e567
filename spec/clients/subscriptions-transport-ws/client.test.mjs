import assert from "node:assert/strict";
import { tellStory } from "../common/story.mjs";
import { frames, open } from "./client.mjs";

const story = tellStory(open);

story.tell("it is never told start_ack, on which it throws", () => {
  const said = new Set(frames.map(({ type }) => type));
  assert.deepEqual([...said].sort(), ["connection_ack", "data", "ka"]);
});

story.tell("a query goes over the socket as well, and completes", async () => {
  const { client, close } = open(story.stage, story.stage.url);
  const answers = await new Promise((resolve, reject) => {
    const heard = [];
    client.request({ query: "{ __typename }" }).subscribe({
      next: (answer) => heard.push(answer),
      error: reject,
      complete: () => resolve(heard),
    });
  });
  assert.deepEqual(answers, [{ data: { __typename: "Query" } }]);
  close();
});

story.tell("a wrong key is told by connection_error", async () => {
  let stranger;
  const error = await new Promise((resolve) => {
    stranger = open({ apiKey: "not-a-key" }, story.stage.url, (refused) => refused && resolve(refused));
  });
  stranger.close();
  assert.equal(error.errors[0].errorType, "UnauthorizedException");
  assert.equal(error.errors[0].errorCode, 401);
});

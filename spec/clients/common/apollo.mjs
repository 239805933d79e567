// Apollo Client over an AppSync subscription link, as an app is made with them.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";
import * as documents from "./documents.mjs";
import { Inbox } from "./inbox.mjs";
import { Node } from "./node.mjs";
import { listening } from "./scenario.mjs";

globalThis.WebSocket = WebSocket; // Node has none of its own

/**
 * `library` has Apollo's classes and the two links of AWS. The links do not come back after a
 * drop: an app subscribes again by itself, as `listen` does here.
 */
export function openWith(library) {
  const { ApolloClient, ApolloLink, HttpLink, InMemoryCache, createAuthLink, createSubscriptionHandshakeLink, gql } = library;

  return ({ apiKey }, url) => {
    const to = { url, region: "ap-northeast-1", auth: { type: "API_KEY", apiKey } };
    const client = new ApolloClient({
      link: ApolloLink.from([createAuthLink(to), createSubscriptionHandshakeLink(to, new HttpLink({ uri: url }))]),
      cache: new InMemoryCache(),
    });
    const ends = new Set();

    return {
      async send(text, variables) {
        const document = gql(text);
        const answer =
          document.definitions[0].operation === "mutation"
            ? await client.mutate({ mutation: document, variables })
            : await client.query({ query: document, variables, fetchPolicy: "network-only" });
        return answer.data;
      },
      refusal: (error) => error.graphQLErrors?.[0] ?? error.errors?.[0],
      status: (error) => (error.networkError ?? error).statusCode,
      listen(text, variables, inbox) {
        const query = gql(text);
        let over = false;
        let subscription;
        const subscribe = () => {
          // After a drop, link 3 ends by an error, and link 4 by an error as a result.
          const again = async (error) => {
            subscription.unsubscribe();
            if (!/closed|timeout/i.test(whole(error))) inbox.fail(error);
            else if (!over) {
              await sleep(100);
              if (!over) subscribe();
            }
          };
          subscription = client.subscribe({ query, variables }).subscribe({
            next: ({ data, error }) => (error ? again(error) : inbox.receive(data.onMessageInGroup)),
            error: again,
          });
        };
        subscribe();
        const end = () => {
          over = true;
          ends.delete(end);
          subscription.unsubscribe();
        };
        ends.add(end);
        return end;
      },
      close() {
        for (const end of ends) end();
        client.stop();
      },
    };
  };
}

/** All that an error says: link 4 wraps the error. */
const whole = (error) => JSON.stringify([error?.message, error, error?.cause]);

/** What is special to Apollo Client, tested with either. */
export function testApollo(scenario, open) {
  scenario.test("every object it gets knows its __typename", async () => {
    const client = open(scenario.server, scenario.server.url);
    const host = new Node(client);
    const group = await host.createGroup(`clients-${host.id}`);
    assert.equal(group.__typename, "Group");
    const inbox = new Inbox();
    host.listen(inbox);
    await listening(host, [inbox]);
    const [message] = inbox.messages;
    assert.equal(message.__typename, "MeshMessage");
    assert.equal(message.nodeStatus.data[0].__typename, "SensorData");
    client.close();
  });

  scenario.test("a wrong key is refused at once, over HTTP and on the socket", async () => {
    const stranger = open({ apiKey: "not-a-key" }, scenario.server.url);
    const refused = await stranger.send(documents.LIST_GROUPS_BY_DOMAIN, { domain: "anywhere" }).then(
      () => assert.fail("the query was answered"),
      (error) => error,
    );
    assert.equal(stranger.status(refused), 401);
    const failure = await new Promise((resolve) => {
      const group = { groupId: "any", domain: "anywhere" };
      stranger.listen(documents.ON_MESSAGE_IN_GROUP, group, { receive: assert.fail, fail: resolve });
    });
    assert.match(whole(failure), /UnauthorizedException|not authorized/);
    stranger.close();
  });
}

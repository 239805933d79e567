// The check's own group: made, used and ended. Its domain is typed and random, so it is in no list
// of others.
import { randomHex } from "../common/kept";
import type { Requests } from "./requests";

type Argument = [name: string, type: string];
const GROUP: Argument[] = [["groupId", "ID!"], ["domain", "String!"]];
const EVENTS: Argument = ["events", "[EventInput!]!"];

const list = (args: Argument[], write: (argument: Argument) => string) => args.map(write).join(", ");
const document = (kind: string, field: string, args: Argument[], selection: string) =>
  `${kind} Doctor(${list(args, ([name, type]) => `$${name}: ${type}`)}) {
    ${field}(${list(args, ([name]) => `${name}: $${name}`)}) ${selection} }`;

export class Group {
  readonly domain = `doctor-${randomHex(8)}`;
  readonly #host = `doctor-host-${randomHex(16)}`;
  readonly #node = `doctor-node-${randomHex(16)}`;
  id = "";

  private constructor(
    readonly requests: Requests,
    /** A server under the policy `token` needs one. */
    readonly token?: string,
  ) {}

  static async create(requests: Requests): Promise<Group> {
    const plain = new Group(requests);
    try {
      return await plain.#begin();
    } catch (error) {
      if (!String(error).includes("hostToken")) throw error;
      return new Group(requests, randomHex(16)).#begin();
    }
  }

  async #begin() {
    const args: Argument[] = [["name", "String!"], ["hostId", "ID!"], ["domain", "String!"], ["useWebSocket", "Boolean!"]];
    if (this.token) args.push(["hostToken", "String"]);
    const variables = { name: "doctor", hostId: this.#host, domain: this.domain, useWebSocket: true, hostToken: this.token };
    const created = await this.requests.execute(document("mutation", "createGroup", args, "{ id }"), variables);
    this.id = created.id;
    try {
      await this.#asNode("joinGroup", {}, "{ id }");
    } catch (error) {
      await this.dissolve();
      throw error;
    }
    return this;
  }

  /** Fires an event; answers the server's time of it. */
  async fire(name: string): Promise<string | undefined> {
    const selection = `{ groupId domain batchEvent { events { name firedByNodeId groupId domain payload timestamp orderKey }
      firedByNodeId groupId domain timestamp } }`;
    return (await this.#asNode("fireEventsByNode", event(name), selection))?.batchEvent?.timestamp;
  }

  record(name: string) {
    return this.#asNode("recordEventsByNode", event(name), "{ groupId domain recordedCount nextSince }");
  }

  async polls(name: string): Promise<boolean> {
    const poll = document("query", "pollGroupData", [...GROUP, ["since", "String!"]], "{ events { name } nodeStatuses { nodeId } }");
    const { events } = await this.requests.execute(poll, { groupId: this.id, domain: this.domain, since: "" });
    return events.some((it: { name: string }) => it.name === name);
  }

  /** Ends the group; answers whether that worked. */
  async dissolve(): Promise<boolean> {
    const selection = "{ groupId domain groupDissolve { groupId domain message } }";
    const variables = { hostId: this.#host, hostToken: this.token };
    return this.#call("dissolveGroup", [["hostId", "ID!"]], "hostToken", variables, selection).then(
      () => true,
      () => false,
    );
  }

  #asNode(field: string, more: object, selection: string) {
    const args: Argument[] = [["nodeId", "ID!"], ...("events" in more ? [EVENTS] : [])];
    return this.#call(field, args, "nodeToken", { nodeId: this.#node, nodeToken: this.token, ...more }, selection);
  }

  #call(field: string, args: Argument[], token: string, variables: object, selection: string) {
    const all: Argument[] = [...GROUP, ...args, ...(this.token ? [[token, "String"] as Argument] : [])];
    const mutation = document("mutation", field, all, selection);
    return this.requests.execute(mutation, { groupId: this.id, domain: this.domain, ...variables });
  }
}

const event = (name: string) => ({ events: [{ eventName: name, firedAt: new Date().toISOString() }] });

// A node as Smalruby's editor is one: what it sends, in its own documents.
import { randomUUID } from "node:crypto";
import * as documents from "./documents.mjs";

export const newNodeId = () => randomUUID().replaceAll("-", "");

export class Node {
  id = newNodeId();
  #counter = 0;

  /** `client.send(query, variables)` resolves to the answer's data. */
  constructor(client) {
    this.client = client;
  }

  async createGroup(domain, useWebSocket = true) {
    const { createGroup } = await this.client.send(documents.CREATE_GROUP, {
      name: this.id,
      hostId: this.id,
      domain,
      useWebSocket,
    });
    this.group = { groupId: createGroup.id, domain: createGroup.domain };
    return createGroup;
  }

  async join({ groupId, domain }, useWebSocket = true) {
    const { joinGroup } = await this.client.send(documents.JOIN_GROUP, {
      groupId,
      domain,
      nodeId: this.id,
      useWebSocket,
    });
    this.group = { groupId, domain };
    return joinGroup;
  }

  report(values) {
    const data = Object.entries(values).map(([key, value]) => ({ key, value: String(value) }));
    return this.#send(documents.REPORT_DATA_BY_NODE, { nodeId: this.id, data });
  }

  fire(...names) {
    return this.#send(documents.FIRE_EVENTS_BY_NODE, { nodeId: this.id, events: this.#events(names) });
  }

  record(...names) {
    return this.#send(documents.RECORD_EVENTS_BY_NODE, { nodeId: this.id, events: this.#events(names) });
  }

  poll(since) {
    return this.#send(documents.POLL_GROUP_DATA, { since });
  }

  statuses() {
    return this.#send(documents.LIST_GROUP_STATUSES, {});
  }

  renewHeartbeat() {
    return this.#send(documents.RENEW_HEARTBEAT, { hostId: this.id });
  }

  beat() {
    return this.#send(documents.SEND_MEMBER_HEARTBEAT, { nodeId: this.id });
  }

  leave() {
    return this.#send(documents.LEAVE_GROUP, { nodeId: this.id });
  }

  dissolve() {
    return this.#send(documents.DISSOLVE_GROUP, { hostId: this.id });
  }

  /** Subscribes; returns what ends it. */
  listen(inbox) {
    return this.client.listen(documents.ON_MESSAGE_IN_GROUP, this.group, inbox);
  }

  #events(names) {
    return names.map((eventName) => ({
      eventName,
      payload: "",
      firedAt: new Date().toISOString(),
      orderKey: this.#orderKey(),
    }));
  }

  /** Local time and a counter, such as 20260401093000-0000001. */
  #orderKey() {
    const now = new Date();
    const part = (value) => String(value).padStart(2, "0");
    const time = [now.getMonth() + 1, now.getDate(), now.getHours(), now.getMinutes(), now.getSeconds()].map(part).join("");
    this.#counter += 1;
    return `${now.getFullYear()}${time}-${String(this.#counter).padStart(7, "0")}`;
  }

  async #send(query, variables) {
    const data = await this.client.send(query, { ...this.group, ...variables });
    return Object.entries(data).find(([key]) => key !== "__typename")[1];
  }
}

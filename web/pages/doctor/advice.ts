// The texts that `mesh-v2 doctor` prints as well: one file serves both.
import texts from "../../../crates/mesh-doctor/texts.json";

export type State = "ok" | "warning" | "blocked" | "skipped";
export type Id = keyof typeof texts.findings;
export type Way = keyof typeof texts.ways;
export type Lang = "en" | "ja";

export interface Finding {
  id: Id;
  values: Record<string, string | number>;
}

export const finding = (id: Id, values: Finding["values"] = {}): Finding => ({ id, values });

const checkOf = (id: Id) => id.split("-")[0] as keyof typeof texts.checks;

export const stateOf = ({ id }: Finding) => texts.findings[id].state as State;
export const isProblem = (it: Finding) => ["warning", "blocked"].includes(stateOf(it));
export const stateName = (it: Finding, lang: Lang) => texts.states[stateOf(it)][lang];
export const checkName = ({ id }: Finding, lang: Lang) => texts.checks[checkOf(id)][lang];
export const wayAdvice = (way: Way, lang: Lang) => texts.ways[way][lang];

export function advice({ id, values }: Finding, lang: Lang) {
  const { means, todo } = texts.findings[id][lang];
  return { means: fill(means, values), todo: fill(todo, values) };
}

const fill = (text: string, values: Finding["values"]) =>
  text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? "?"));

/** What an editor takes for a good WebSocket: it looks at the upgrade only. */
const FOOLS_EDITORS: Id[] = ["ws-swallowed", "ws-silent", "ws-buffered", "ws-cut", "ws-rejected"];

/** How members will connect, by the findings. */
export function wayOf(findings: Finding[]): Way {
  const state = (check: string) => {
    const found = findings.find(({ id }) => checkOf(id) === check);
    return found ? stateOf(found) : "skipped";
  };
  if (["post", "group"].some((check) => state(check) !== "ok")) return "none";
  if (state("ws") === "ok") return "websocket";
  if (state("poll") !== "ok") return "none";
  return findings.some(({ id }) => FOOLS_EDITORS.includes(id)) ? "polling-by-hand" : "polling";
}

/** A letter that names what the network has to allow. */
export function letter(findings: Finding[], way: Way, lang: Lang, root: URL) {
  const text = texts.letter[lang];
  const secure = root.protocol === "https:";
  const realtime = new URL("graphql/realtime", root);
  realtime.protocol = secure ? "wss:" : "ws:";
  const values = {
    date: new Date().toISOString().slice(0, 10),
    hosts: root.hostname,
    port: portOf(root),
    tls: secure ? text.tls : text.plain,
    realtime: realtime.href,
    way: wayAdvice(way, lang).means,
    url: new URL("graphql", root).href,
    page: new URL("doctor", root).href,
  };
  const problems = findings.filter(isProblem);
  const lines = [
    ...text.greeting,
    "",
    ...text.items.map((item, index) => `${index + 1}. ${item}`),
    "",
    problems.length > 0 ? text.found : text.nothing,
  ].map((line) => fill(line, values));
  // What was found has its values already: braces in it stay as they are.
  const found = problems.map((it) => `- ${checkName(it, lang)}: ${advice(it, lang).means}`);
  const end = [text.way, "", ...text.closing].map((line) => fill(line, values));
  return [...lines, ...found, ...end].join("\n");
}

export const portOf = ({ port, protocol }: URL) => port || (protocol === "https:" ? "443" : "80");

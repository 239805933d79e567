// One check: the ways from this page to its server that a lesson can use.
import { ROOT } from "../common/server";
import { type Finding, type Id, finding, portOf, stateOf } from "./advice";
import { Group } from "./group";
import { type Answer, Failed, Refused, Requests, isPage, titleOf } from "./requests";
import { trySocket } from "./socket";
import { tryStream } from "./stream";

/** Seconds from which a difference of clocks matters. */
const CLOCK_SECONDS = 30;
const POLL_EVERY_MS = 500;
/** Headers by which proxies show themselves, and the part of AWS before every AppSync API. */
const PROXY_HEADERS = ["via", "x-cache", "x-squid-error", "x-forwarded-for", "forwarded", "x-bluecoat-via"];
const CLOUDFRONT = /cloudfront/i;

export interface Times {
  /** How long each step may take. */
  waitMs: number;
  /** Between the two events. */
  pauseMs: number;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs the checks, and passes each finding on as it is made. */
export async function check(key: string, times: Times, pass: (found: Finding) => void): Promise<Finding[]> {
  const findings: Finding[] = [];
  const add = (it: Finding) => {
    const values = { host: ROOT.hostname, port: portOf(ROOT), origin: ROOT.origin, ...it.values };
    findings.push({ id: it.id, values });
    pass(findings.at(-1)!);
  };
  const requests = new Requests(key, times.waitMs);
  const isSecure = ROOT.protocol === "https:";
  add(finding(isSecure ? "tls-page" : "tls-none"));
  const began = Date.now();
  const { found, answer } = await post(requests);
  add(found);
  let ahead = answer && aheadByDate(answer, began);
  if (found.id !== "post-ok") {
    const skipped: Id[] = ["group-skipped"];
    for (const id of skipped) add(finding(id));
    // The server would refuse a wrong key there as well.
    add(found.id === "post-key" ? finding("ws-skipped") : (await trySocket(requests, undefined, 0, 0)).finding);
    add(finding("poll-skipped"));
  } else {
    ahead = (await lesson(requests, times, answer!.ms, add)) ?? ahead;
  }
  add(clock(ahead));
  add(found.id === "post-ok" ? await domain(requests) : finding("domain-skipped"));
  add(finding("secure-same"));
  const passes = findings.some((it) => it.id === "ws-ok");
  add(answer ? proxy(answer, passes) : finding("proxy-skipped"));
  return findings;
}

async function post(requests: Requests): Promise<{ found: Finding; answer?: Answer }> {
  try {
    const answer = await requests.post("{ __typename }");
    return { found: judge(answer), answer };
  } catch (error) {
    const isLate = error instanceof Failed && error.isLate;
    return { found: isLate ? finding("post-timeout") : finding("post-broken", { why: String(error) }) };
  }
}

function judge(answer: Answer): Finding {
  const { status, json } = answer;
  if (typeof json?.data?.__typename === "string") return finding("post-ok", { ms: Math.round(answer.ms) });
  const id = (): Id => {
    if (answer.redirected) return "post-redirect";
    if (status === 407) return "post-sign-in";
    if (isPage(answer)) return "post-filter";
    if (status === 401 && json?.errors) return "post-key";
    if (status === 403 && json?.errors) return "post-origin";
    return [403, 451, 502, 503, 504].includes(status) && !json ? "post-filter" : "post-odd";
  };
  return finding(id(), { status, title: titleOf(answer), location: answer.redirected ?? "?" });
}

/** Group, WebSocket, polling and event stream; answers by how much the server's clock is ahead, if that is known. */
async function lesson(requests: Requests, times: Times, requestMs: number, add: (it: Finding) => void) {
  let group: Group;
  try {
    group = await Group.create(requests);
  } catch (error) {
    add(finding("group-refused", { message: messageOf(error) }));
    add((await trySocket(requests, undefined, 0, requestMs)).finding);
    add(finding("poll-skipped"));
    return undefined;
  }
  const socket = await trySocket(requests, group, times.pauseMs, requestMs);
  add(socket.finding);
  add(await poll(group, times.waitMs));
  add(await tryStream(requests, group, requestMs));
  add(finding((await group.dissolve()) ? "group-ok" : "group-left"));
  return socket.ahead;
}

async function poll(group: Group, waitMs: number): Promise<Finding> {
  const began = performance.now();
  try {
    await group.record("doctor-recorded");
    while (!(await group.polls("doctor-recorded"))) {
      if (performance.now() - began > waitMs) return finding("poll-missing", { seconds: waitMs / 1000 });
      await pause(POLL_EVERY_MS);
    }
    return finding("poll-ok", { ms: Math.round(performance.now() - began) });
  } catch (error) {
    const message = messageOf(error);
    return error instanceof Refused ? finding("poll-refused", { message }) : finding("poll-broken", { why: message });
  }
}

async function domain(requests: Requests): Promise<Finding> {
  try {
    const ask = () => requests.execute("mutation { createDomain }");
    const domains = new Set([await ask(), await ask()]);
    const all = [...domains].join(", ");
    return domains.size > 1 ? finding("domain-changes", { domains: all }) : finding("domain-ok", { domain: all });
  } catch (error) {
    return finding("domain-failed", { message: messageOf(error) });
  }
}

/** The header has whole seconds, cut off. */
function aheadByDate({ headers }: Answer, began: number) {
  const date = Date.parse(headers.get("date") ?? "");
  return date ? date + 500 - (began + Date.now()) / 2 : undefined;
}

function clock(ahead?: number): Finding {
  if (ahead === undefined) return finding("clock-unknown");
  const seconds = Math.round(Math.abs(ahead) / 1000);
  if (Math.abs(ahead) <= CLOCK_SECONDS * 1000) return finding("clock-ok", { seconds });
  return finding(ahead > 0 ? "clock-behind" : "clock-ahead", { seconds });
}

function proxy({ headers }: Answer, passes: boolean): Finding {
  const shown = PROXY_HEADERS.flatMap((name) => {
    const value = headers.get(name);
    return value && !CLOUDFRONT.test(value) ? [`${name}: ${value}`] : [];
  });
  if (shown.length === 0) return finding("proxy-none");
  return finding(passes ? "proxy-passes" : "proxy-suspect", { headers: shown.join("; ") });
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** The worst first: what to look at. */
export function worstFirst(findings: Finding[]) {
  const order = ["blocked", "warning", "ok", "skipped"];
  return [...findings].sort((a, b) => order.indexOf(stateOf(a)) - order.indexOf(stateOf(b)));
}

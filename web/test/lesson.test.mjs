// A lesson: the teacher starts it on /teach, a pupil and 38 scripted members join by its code.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { joinAll } from "./class.mjs";
import { TEACHER_KEY, environment } from "./environment.mjs";

const PROJECTOR = { locale: "ja-JP", viewport: { width: 1920, height: 1080 } };
const ADDRESSES = ["http://192.168.1.23:4000/", "http://10.0.0.5:4000/"];
const PHONE = { locale: "ja-Hira", viewport: { width: 390, height: 844 }, colorScheme: "dark" };

let found;
let teacher;
let pupil;
let code;
let members;

before(async () => {
  found = await environment();
  teacher = await found.open(PROJECTOR);
  pupil = await found.open(PHONE);
});

const button = (it, name, options) => it.page.getByRole("button", { name, ...options });

async function signIn(it, key) {
  await it.goto("teach");
  await it.page.locator("#key").fill(key);
  await it.page.keyboard.press("Enter");
}

test("a wrong key and the pupils' key start no lesson", async () => {
  const it = await found.open();
  await signIn(it, "da2-no-key-at-all");
  await it.page.getByRole("alert").getByText("does not know this key").waitFor();
  await signIn(it, found.apiKey);
  await it.page.getByRole("alert").getByText("the pupils' key").waitFor();
  await it.isAccessible("sign-in");
  await it.shot("teach-sign-in-en");
  await it.close();
});

test("the teacher signs in, and the code fills the projector", async () => {
  // As on a laptop in a school: the page is opened as localhost, the class needs another address.
  await teacher.page.route("**/pages/config.json", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), addresses: ADDRESSES } });
  });
  await signIn(teacher, TEACHER_KEY);
  await button(teacher, "50 分").click();
  code = await teacher.page.locator(".digits").innerText();
  assert.match(code, /^[0-9a-f]{6}$/);
  assert.match(await teacher.page.locator(".kana").innerText(), /^[いしかたうんてとのつはこになくき]{6}$/);
  const qr = () => teacher.page.locator(".qr").getAttribute("aria-label");
  assert.equal(await qr(), `${ADDRESSES[0]}join/${code}`);
  await teacher.page.getByLabel("クラス用のアドレス").selectOption(ADDRESSES[1]);
  assert.equal(await qr(), `${ADDRESSES[1]}join/${code}`);
  await teacher.page.getByLabel("クラス用のアドレス").selectOption(ADDRESSES[0]);
  await teacher.isAccessible("code");
});

test("a pupil and 38 members join by the code within 10 s", async () => {
  await pupil.goto("join");
  await pupil.page.locator("#code").fill(code);
  await pupil.shot("join-code-ja-hira-390-dark");
  await pupil.page.keyboard.press("Enter");
  const name = pupil.page.locator("#name");
  await name.fill("ねこ");
  await pupil.page.getByText("じぶんの Scratch さくひんで あそぶ").click();
  const addresses = await pupil.page.locator("details input[readonly]").evaluateAll((inputs) => inputs.map(({ value }) => value));
  const cloud = new URL(`cloud/${code}`, found.url).href.replace("http", "ws");
  assert.deepEqual(addresses, [
    ...["extension/mesh.js", "extension/mesh.mjs", `join/${code}`].map((path) => new URL(path, found.url).href),
    cloud,
  ]);
  await pupil.page.getByLabel("ばんごう").fill("https://scratch.mit.edu/projects/12345/");
  const turboWarp = new URL(await pupil.page.getByRole("link", { name: "TurboWarp で あそぶ" }).getAttribute("href"));
  assert.deepEqual([turboWarp.pathname, turboWarp.searchParams.get("cloud_host")], ["/12345", cloud]);
  await pupil.isAccessible("nickname");
  await name.press("Enter");
  await pupil.page.getByText("つながっています", { exact: true }).waitFor();
  members = await joinAll(found.url, found.apiKey, code, 38);
  await teacher.page.getByText("39 人が参加").waitFor();
  await teacher.shot("teach-code-ja-1920", false);
});

test("values and events cross", async () => {
  await button(teacher, "クラスを見る").click();
  await pupil.page.locator("#key").fill("てんすう");
  for (const value of ["3", "8", "5"]) {
    await pupil.page.locator("#value").fill(value);
    await pupil.page.locator("#value").press("Enter");
    await teacher.page.getByRole("row", { name: `ねこ てんすう ${value}` }).waitFor();
  }
  await button(pupil, "ブザー").click();
  await teacher.page.getByRole("listitem").filter({ hasText: "ねこ ブザー" }).waitFor();
  await pupil.page.getByRole("listitem").filter({ hasText: "ねこ" }).first().waitFor();

  for (const [n, value] of [[0, 12], [1, 40], [0, 15], [1, 38], [0, 21]]) {
    assert.equal(typeof (await members[n].reports("温度", value)), "object");
  }
  assert.equal(typeof (await members[2].fires("chat", "こんにちは")), "object");
  assert.equal(typeof (await members[3].fires("スタート")), "object");
  await pupil.page.getByRole("row", { name: "pupil 1 温度 21" }).waitFor();
  await pupil.page.getByRole("log").getByText("pupil 3 こんにちは").waitFor();
  await pupil.page.locator("#line").fill("やあ！");
  await pupil.page.locator("#line").press("Enter");
  await pupil.page.getByRole("log").getByText("ねこ やあ！").waitFor();
  await teacher.page.getByRole("listitem").filter({ hasText: "pupil 4 スタート" }).waitFor();
  await teacher.page.locator("svg.spark").first().waitFor();
  await teacher.isAccessible("class");
  await teacher.shot("teach-class-ja-1920");
  await pupil.isAccessible("lesson");
  await pupil.shot("join-lesson-ja-hira-390-dark");
  // A reload is the same member.
  await pupil.page.reload();
  await pupil.page.getByText("つながっています", { exact: true }).waitFor();
  await pupil.page.getByRole("row", { name: "ねこ てんすう 5" }).waitFor();
  await teacher.page.getByText("メンバー: 39").waitFor();
});

test("what pupils write stays text, and a flood of it leaves the pages usable", async () => {
  const markup = "<img src=x onerror=alert(1)><script>alert(2)</script>";
  assert.equal(typeof (await members[9].reports(markup, markup)), "object");
  assert.equal(typeof (await members[9].fires(markup, markup)), "object");
  for (const it of [teacher, pupil]) {
    await it.page.getByRole("cell", { name: markup }).first().waitFor();
    assert.equal(await it.page.locator("img, main script").count(), 0);
  }
  const big = "x".repeat(10_000);
  const flood = members.flatMap((member) => Array.from({ length: 20 }, () => member.fires("flood", big)));
  await Promise.all(flood);
  const began = Date.now();
  await button(teacher, "コードを見せる").click();
  await teacher.page.locator(".digits").waitFor();
  await button(teacher, "クラスを見る").click();
  assert.ok(Date.now() - began < 3_000, `${Date.now() - began} ms for two clicks`);
});

test("a locked lesson has no new members", async () => {
  await button(teacher, "締め切る（新しい参加を止める）").click();
  await button(teacher, "締め切りをやめる").waitFor();
  const late = await found.open({ viewport: { width: 390, height: 844 } });
  await late.goto(`join/${code}`);
  await late.page.locator("#name").fill("late");
  await late.page.locator("#name").press("Enter");
  await late.page.getByRole("alert").getByText("The lesson is closed").waitFor();
  await button(teacher, "締め切りをやめる").click();
  await button(teacher, "締め切る（新しい参加を止める）").waitFor();
  await late.page.locator("#name").press("Enter");
  await late.page.getByText("Connected", { exact: true }).waitFor();
  await late.shot("join-lesson-en-390");
  await button(late, "Leave").click();
  await late.page.getByText("You left the lesson").waitFor();
  await late.close();
});

test("a pause refuses what is sent, and shows itself", async () => {
  await button(teacher, "1 分").click();
  await teacher.page.getByText("一時停止中").waitFor();
  await button(pupil, "ブザー").click();
  await pupil.page.getByText("せんせいが とめています。").waitFor();
  assert.equal(await members[4].fires("meow"), "Paused");
  await pupil.shot("join-paused-ja-hira-390-dark");
  await button(teacher, "再開").click();
  await teacher.page.getByText("一時停止中").waitFor({ state: "detached" });
  assert.equal(typeof (await members[4].fires("meow")), "object");
  await pupil.page.getByText("せんせいが とめています。").waitFor({ state: "detached" });
});

test("the chat is turned off and values are cleared", async () => {
  await button(teacher, "チャットを止める").click();
  await pupil.page.getByText("せんせいが チャットを とめています。").waitFor();
  await button(teacher, "値をすべて消す").click();
  await teacher.page.getByText("まだ値はありません。").waitFor();
  await button(teacher, "チャットを使う").click();
  await pupil.page.locator("#line").waitFor();
});

test("who is removed cannot send or come back", async () => {
  await button(teacher, "外す ねこ").click();
  await button(teacher, "はい").click();
  await teacher.page.getByText("メンバー: 38").waitFor();
  await button(pupil, "ブザー").click();
  await pupil.page.getByText("せんせいが あなたを じゅぎょうから はずしました。").waitFor();
  await pupil.shot("join-removed-ja-hira-390-dark");
});

test("a reload and another machine with the same key find the lesson again", async () => {
  await teacher.page.reload();
  assert.equal(await teacher.page.locator(".digits").innerText(), code);
  await teacher.page.getByText("38 人が参加").waitFor();
  const other = await found.open({ viewport: { width: 1280, height: 800 }, colorScheme: "dark" });
  // As the server prints it for development.
  await other.goto(`teach#${TEACHER_KEY}`);
  await other.page.getByText("38 joined").waitFor();
  assert.ok(!other.page.url().includes(TEACHER_KEY), "the address forgets the key");
  assert.equal(await other.page.locator(".digits").innerText(), code);
  await other.isAccessible("code, dark");
  await other.shot("teach-code-en-dark", false);
  await button(other, "Show the class").click();
  await other.page.getByText("Members: 38").waitFor();
  await other.isAccessible("class, dark");
  await other.shot("teach-class-en-dark");
  await other.close();
});

test("a machine that slept for a while goes on", async () => {
  const { page } = teacher;
  await button(teacher, "クラスを見る").click();
  await page.context().setOffline(true);
  await members[7].fires("meow");
  await page.getByText("サーバーから返事がありません").waitFor();
  await page.context().setOffline(false);
  await members[8].fires("wuff");
  await page.getByRole("listitem").filter({ hasText: "pupil 9 wuff" }).waitFor();
  await page.getByText("サーバーから返事がありません").waitFor({ state: "detached" });
  await page.getByRole("listitem").filter({ hasText: "pupil 8 meow" }).waitFor();
});

test("without WebSockets a page has an event stream, and without that it polls", async () => {
  const join = async (name) => {
    const it = await found.open({ locale: "ja-JP", viewport: { width: 1280, height: 800 } });
    // As a filter that lets the connection stand and swallows its frames.
    await it.page.routeWebSocket(/realtime/, () => {});
    if (name === "とり") await it.page.route("**/graphql/stream", () => {});
    await it.goto(`join/${code}`);
    await it.page.locator("#name").fill(name);
    await it.page.locator("#name").press("Enter");
    return it;
  };
  const pupils = await Promise.all([join("いぬ"), join("とり")]);
  const [dog, bird] = pupils;
  await dog.page.getByText("接続中", { exact: true }).waitFor();
  await members[3].fires("chat", "はやい？");
  await dog.page.getByRole("log").getByText("pupil 4 はやい？").waitFor({ timeout: 2_000 });
  await bird.page.getByText("接続中（ゆっくり）").waitFor();
  await members[5].fires("chat", "きこえる？");
  await members[6].reports("光", 7);
  for (const { page } of pupils) {
    await page.getByRole("log").getByText("pupil 6 きこえる？").waitFor();
    await page.getByRole("row", { name: "pupil 7 光 7" }).waitFor();
  }
  await dog.shot("join-lesson-ja");
  await teacher.page.getByRole("row", { name: /とり .* polling/ }).waitFor();
  await teacher.page.getByRole("row", { name: /いぬ .* WebSocket/ }).waitFor();
  await button(teacher, "授業を終える").click();
  await button(teacher, "はい").click();
  await teacher.page.getByText("授業は終わりました").waitFor();
  for (const it of pupils) {
    await it.page.getByText("授業は終わりました").waitFor();
    await it.close();
  }
});

test("nothing of the lesson is left on the disk or in the log", async () => {
  const { data, output } = found;
  if (!data) return; // a server that is not ours
  const traces = ["ねこ", "てんすう", "こんにちは", "pupil 1", TEACHER_KEY, code];
  const traced = (text) => traces.filter((trace) => text.includes(trace));
  assert.deepEqual(traced(output()), [], "in the log");
  const deadline = Date.now() + 15_000;
  let left;
  do {
    await new Promise((resolve) => setTimeout(resolve, 500));
    left = readdirSync(data).flatMap((file) => traced(contentOf(join(data, file))));
  } while (left.length > 0 && Date.now() < deadline);
  assert.deepEqual(left, [], "on the disk");
});

/** The file's text; nothing of one that was replaced by another name meanwhile. */
function contentOf(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return "";
    throw error;
  }
}

test("a lesson that is over leaves its code to nobody, and its pages reported no error", async () => {
  const it = await found.open();
  await it.goto(`join/${code}`);
  await it.page.getByRole("alert").getByText("no lesson with this code").waitFor();
  await it.close();
  await teacher.close();
  await pupil.close();
});

// The front page, in each language, width and colour scheme.
import assert from "node:assert/strict";
import { test } from "node:test";
import { environment } from "./environment.mjs";

const TITLES = {
  en: "Projects that talk to each other",
  ja: "作品どうしがつながる",
  "ja-Hira": "さくひんどうしが つながる",
};

test("the front page is in the browser's language, until another one is chosen", async () => {
  const { open } = await environment();
  for (const [locale, language] of [["ja-JP", "ja"], ["en-GB", "en"], ["fr-FR", "en"]]) {
    const it = await open({ locale, viewport: { width: 1280, height: 800 } });
    await it.goto("");
    await it.page.getByRole("heading", { level: 1, name: TITLES[language] }).waitFor();
    assert.equal(await it.page.locator("html").getAttribute("lang"), language);
    await it.page.getByRole("link", { name: "GraphiQL" }).waitFor();
    await it.isAccessible(locale);
    if (language === "ja") await it.shot("front-ja");
    await it.page.getByRole("button", { name: "にほんご" }).click();
    await it.page.getByRole("heading", { level: 1, name: TITLES["ja-Hira"] }).waitFor();
    await it.goto("");
    await it.page.getByRole("heading", { level: 1, name: TITLES["ja-Hira"] }).waitFor();
    await it.goto("?lang=en");
    await it.page.getByRole("heading", { level: 1, name: TITLES.en }).waitFor();
    await it.close();
  }
});

test("the front page leaves GraphiQL out where the server has none", async () => {
  const { open } = await environment();
  const it = await open();
  const config = "**/pages/config.json";
  await it.page.route(config, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), graphiql: false } });
  });
  const fetched = it.page.waitForResponse(config);
  await it.goto("");
  await (await fetched).finished();
  await it.page.getByRole("heading", { level: 1 }).waitFor();
  assert.equal(await it.page.getByRole("link", { name: "GraphiQL" }).count(), 0);
  await it.close();
});

test("the front page fits a phone, and has a dark side", async () => {
  const { open } = await environment();
  for (const [name, options] of [
    ["front-ja-hira-390", { locale: "ja-Hira", viewport: { width: 390, height: 844 } }],
    ["front-en-dark", { colorScheme: "dark", viewport: { width: 1280, height: 800 } }],
  ]) {
    const it = await open(options);
    await it.goto("");
    await it.page.getByRole("heading", { level: 1 }).waitFor();
    const wider = await it.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wider <= 0, `${wider} px wider than the screen`);
    await it.isAccessible(name);
    await it.shot(name);
    await it.close();
  }
});

test("a code is typed in digits, hiragana or katakana, with the keyboard alone", async () => {
  const { open } = await environment();
  const it = await open();
  for (const typed of ["3fa2b1", " ３ＦＡ ２Ｂ１", "たきはかこし", "タキハカコシ"]) {
    await it.goto("");
    await it.page.getByLabel("Code").fill(typed);
    await it.page.keyboard.press("Enter");
    await it.page.waitForURL("**/join/3fa2b1");
  }
  await it.goto("");
  await it.page.getByLabel("Code").fill("3fa2b");
  await it.page.keyboard.press("Enter");
  await it.page.getByRole("alert").getByText("6 digits").waitFor();
  await it.close();
});

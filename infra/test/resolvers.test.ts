import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { ESLint } from 'eslint';

import { infra } from './support';

const eslint = new ESLint({ cwd: infra });
const [file, own] = ['lambda.js', 'publish.js'].map((name) => join(infra, 'resolvers', name)) as [string, string];
const handlers = readFileSync(file, 'utf8');

async function complaints(code: string): Promise<(string | null)[]> {
  const [result] = await eslint.lintText(code, { filePath: file });
  return result!.messages.map(({ ruleId, message }) => ruleId ?? message);
}

test("the handlers keep to AppSync's JavaScript", async () => {
  assert.deepEqual(await complaints(handlers), []);
  assert.deepEqual(await complaints(readFileSync(own, 'utf8')), []);
});

test('what AppSync would refuse is refused here', async () => {
  for (const [line, rule] of [
    ['try { ctx.a(); } catch (error) { }', 'no-try'],
    ['for (let i = 0; i < 3; i += 1) { ctx.a(); }', 'no-for'],
    ['return /a/;', 'no-regex'],
  ] as const) {
    const found = await complaints(`${handlers}\nexport function more(ctx) { ${line} }\n`);
    assert.deepEqual(found, [`@aws-appsync/${rule}`], line);
  }
});

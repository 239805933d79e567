import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { type Json, STAGES, root, templateOf } from './support';

/** What a call of the SDK needs; a transaction needs the rights of its steps. */
const NEEDS: Record<string, string[]> = {
  transact_write_items: ['ConditionCheckItem', 'DeleteItem', 'PutItem', 'UpdateItem'],
  transact_get_items: ['GetItem'],
};
/** Every call of DynamoDB's about items, and those about tables that a server may make. */
const CALLS = [
  'batch_execute_statement', 'batch_get_item', 'batch_write_item', 'delete_item', 'describe_table',
  'execute_statement', 'execute_transaction', 'get_item', 'put_item', 'query', 'scan',
  'transact_get_items', 'transact_write_items', 'update_item',
];

const pascal = (call: string) => call.replace(/(?:^|_)([a-z])/g, (_, letter) => letter.toUpperCase());

/** The actions that the store's code asks for, without those of `mesh-v2 table`. */
function asked(): string[] {
  const folder = join(root, 'src/store/dynamodb');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.rs') && !file.startsWith('tests') && !file.startsWith('table'),
  );
  const code = files.map((file) => readFileSync(join(folder, file), 'utf8')).join('\n');
  const calls = [...code.matchAll(/\bclient\s*\.\s*([a-z_]+)\(\)/g)].map(([, call]) => call!);
  const known = CALLS.filter((call) => new RegExp(`\\.\\s*${call}\\(\\)`).test(code));
  const needs = [...calls, ...known].flatMap((call) => NEEDS[call] ?? [pascal(call)]);
  return [...new Set(needs)].sort().map((action) => `dynamodb:${action}`);
}

test('the function does not look at its table, which would need one more right', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
  for (const file of sources.filter((one) => /lambda.*\.rs$/.test(one))) {
    assert.doesNotMatch(readFileSync(join(root, 'src', file), 'utf8'), /\btable::/, file);
  }
});

for (const stage of STAGES) {
  test(`in ${stage} each role may do what it must, on what is its own`, () => {
    const policies = Object.values(templateOf(stage).findResources('AWS::IAM::Policy')) as Json[];
    const statements = policies.flatMap(({ Properties }) => Properties.PolicyDocument.Statement as Json[]);
    const by = (service: string) => statements.filter(({ Action }) => [Action].flat()[0].startsWith(`${service}:`));

    const [onTable, onIndexes, ...more] = by('dynamodb');
    assert.deepEqual(more, []);
    assert.deepEqual(onTable!.Action, asked());
    const table = onTable!.Resource['Fn::GetAtt'];
    assert.match(table[0], /^Table/);
    assert.equal(onIndexes!.Action, 'dynamodb:Query');
    const index = (name: string) => ({ 'Fn::Join': ['', [{ 'Fn::GetAtt': table }, `/index/${name}`]] });
    assert.deepEqual(onIndexes!.Resource, [index('GroupIdIndex'), index('GroupNameIndex')]);

    const [invoke] = by('lambda');
    assert.equal(invoke!.Action, 'lambda:InvokeFunction');
    for (const log of by('logs')) {
      assert.deepEqual(log.Action, ['logs:CreateLogStream', 'logs:PutLogEvents']);
      assert.match(log.Resource['Fn::GetAtt'][0], /Log/);
    }
    assert.equal(by('logs').length, 2);
    // X-Ray knows no resources; nothing else is allowed on all of them.
    const everywhere = statements.filter(({ Resource }) => [Resource].flat().includes('*'));
    assert.deepEqual(everywhere, by('xray'));
    assert.equal(by('xray').length, stage === 'prod' ? 0 : 1);
    const counted = ['dynamodb', 'lambda', 'logs', 'xray'].map((service) => by(service).length);
    assert.equal(statements.length, counted.reduce((sum, count) => sum + count));
  });

  test(`in ${stage} no role has a policy of AWS's own`, () => {
    const roles = Object.values(templateOf(stage).findResources('AWS::IAM::Role')) as Json[];
    for (const { Properties } of roles) assert.equal(Properties.ManagedPolicyArns, undefined);
  });
}

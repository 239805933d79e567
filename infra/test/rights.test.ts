import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { asked } from './asked';
import { type Json, STAGES, root, templateOf } from './support';

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
    // publishMessage and nothing else (template.test.ts).
    assert.equal(by('appsync').length, 1);
    const counted = ['appsync', 'dynamodb', 'lambda', 'logs', 'xray'].map((service) => by(service).length);
    assert.equal(statements.length, counted.reduce((sum, count) => sum + count));
  });

  test(`in ${stage} no role has a policy of AWS's own`, () => {
    const roles = Object.values(templateOf(stage).findResources('AWS::IAM::Role')) as Json[];
    for (const { Properties } of roles) assert.equal(Properties.ManagedPolicyArns, undefined);
  });
}

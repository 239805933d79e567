import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { buildSchema, isObjectType, type GraphQLObjectType } from 'graphql';

import { fields, forAppSync, openedTo } from '../lib/schema';
import { only, root, templateOf } from './support';

const contract = readFileSync(join(root, 'schema/schema.graphql'), 'utf8');
/** What AppSync brings itself. */
const APPSYNC = `
  scalar AWSDateTime
  directive @aws_subscribe(mutations: [String]) on FIELD_DEFINITION
  directive @aws_api_key on OBJECT | FIELD_DEFINITION
  directive @aws_iam on OBJECT | FIELD_DEFINITION
  directive @aws_cognito_user_pools(cognito_groups: [String]) on OBJECT | FIELD_DEFINITION
  directive @aws_oidc on OBJECT | FIELD_DEFINITION
`;

const definition = (more = {}) =>
  only(templateOf('stg', more), 'AWS::AppSync::GraphQLSchema').Properties.Definition as string;

test('AppSync shows the descriptions of types, fields and arguments', () => {
  assert.match(definition(), /"""A member of a group, usually one browser tab."""\ntype Node {/);
  assert.match(definition(), /    "The group's host."\n    hostId: ID!\n/);
});

test("AppSync is given the contract's file without its one scalar", () => {
  const lines = contract.split('\n');
  const at = lines.indexOf('scalar AWSDateTime');
  // The line before it is its description.
  assert.match(lines[at - 1]!, /^""".*"""$/);
  assert.equal(definition(), lines.toSpliced(at - 1, 2).join('\n'));
});

test('the subscription names the mutations that it delivers', () => {
  assert.match(
    definition(),
    /onMessageInGroup\([^)]*\): MeshMessage\s+@aws_subscribe\(mutations: \["reportDataByNode", "fireEventsByNode", "dissolveGroup"\]\)/,
  );
  const mutations = fields(contract).filter(({ typeName }) => typeName === 'Mutation');
  for (const delivered of ['reportDataByNode', 'fireEventsByNode', 'dissolveGroup']) {
    assert.ok(mutations.some(({ fieldName }) => fieldName === delivered), delivered);
  }
});

test('another scalar, or none, is not passed on unseen', () => {
  assert.throws(() => forAppSync(`${contract}\nscalar Colour\n`), /and no other/);
  assert.throws(() => forAppSync('type Query { a: Int }'), /once/);
});

test('with one mode the schema has no directives of modes', () => {
  assert.doesNotMatch(definition(), /@aws_(api_key|iam|cognito|oidc)/);
});

test('with more modes every answer is open to every mode, down to its last field', () => {
  const text = definition({
    APPSYNC_IAM: 'true',
    APPSYNC_USER_POOL_ID: 'ap-northeast-1_AbCdEf123',
    APPSYNC_OIDC_ISSUER: 'https://sign-in.example',
    APPSYNC_OIDC_CLIENT_IDS: 'mesh',
  });
  const schema = buildSchema(APPSYNC + text);
  const marks = (node: { directives?: readonly { name: { value: string } }[] } | null | undefined) =>
    (node?.directives ?? []).map(({ name }) => name.value).filter((name) => name !== 'aws_subscribe');
  const all = ['aws_api_key', 'aws_iam', 'aws_cognito_user_pools', 'aws_oidc'];
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  for (const type of roots as GraphQLObjectType[]) {
    for (const field of Object.values(type.getFields())) {
      assert.deepEqual(marks(field.astNode), all, `${type}.${field.name}`);
    }
  }
  const answers = Object.values(schema.getTypeMap()).filter(
    (type) => isObjectType(type) && !type.name.startsWith('__') && !roots.includes(type),
  );
  assert.equal(answers.length, 13);
  for (const type of answers) assert.deepEqual(marks((type as GraphQLObjectType).astNode), all, type.name);
});

test('directives change nothing else', () => {
  assert.equal(openedTo(['@aws_api_key', '@aws_iam'], contract).replaceAll(' @aws_api_key @aws_iam', ''), contract);
});

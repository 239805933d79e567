import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { type GraphQLInputObjectType, type GraphQLNamedType, type GraphQLObjectType, buildSchema, getNamedType, isObjectType } from 'graphql';

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
  const file = lines.toSpliced(at - 1, 2).join('\n');
  assert.equal(definition({ APPSYNC_PUSH: 'false' }), file);
  // What is added for the function comes out again.
  const added = definition().replace(/ @aws_api_key @aws_iam/g, '').replace(', "publishMessage"', '');
  const [before, own, after] = added.split(/^  """\n  Delivers a message [^]*?: MeshMessage @aws_iam\n|^"""A `MeshMessage` of the service/m);
  assert.equal(`${before}${own!.trimEnd()}\n`, file);
  assert.match(after!, /^ itself/);
});

test('the subscription names the mutations that it delivers', () => {
  const names = '"reportDataByNode", "fireEventsByNode", "dissolveGroup"';
  for (const [push, more] of [['true', ', "publishMessage"'], ['false', '']]) {
    const subscription = `onMessageInGroup\\([^)]*\\): MeshMessage\\s+@aws_subscribe\\(mutations: \\[${names}${more}\\]\\)`;
    assert.match(definition({ APPSYNC_PUSH: push! }), new RegExp(subscription));
  }
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
  assert.doesNotMatch(definition({ APPSYNC_PUSH: 'false' }), /@aws_(api_key|iam|cognito|oidc)/);
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
      const expected = field.name === 'publishMessage' ? ['aws_iam'] : all;
      assert.deepEqual(marks(field.astNode), expected, `${type}.${field.name}`);
    }
  }
  const answers = Object.values(schema.getTypeMap()).filter(
    (type) => isObjectType(type) && !type.name.startsWith('__') && !roots.includes(type),
  );
  assert.equal(answers.length, 13);
  for (const type of answers) assert.deepEqual(marks((type as GraphQLObjectType).astNode), all, type.name);
});

/** The modes that a field or a type is open to: without directives the default one. */
const openTo = ({ astNode }: { astNode?: { directives?: readonly { name: { value: string } }[] } | null }) => {
  const names = (astNode?.directives ?? []).map(({ name }) => name.value).filter((name) => name !== 'aws_subscribe');
  return names.length > 0 ? names : ['aws_api_key'];
};

test('only AWS credentials may push, and every mode gets each field of what it may ask for', () => {
  const more: Record<string, string>[] = [
    {},
    { APPSYNC_IAM: 'true' },
    { APPSYNC_USER_POOL_ID: 'ap-northeast-1_AbCdEf123' },
    { APPSYNC_OIDC_ISSUER: 'https://sign-in.example', APPSYNC_OIDC_CLIENT_IDS: 'mesh' },
  ];
  for (const settings of [...more, Object.assign({}, ...more)]) {
    const schema = buildSchema(APPSYNC + definition(settings));
    const mutations = schema.getMutationType()!.getFields();
    assert.deepEqual(openTo(mutations.publishMessage!), ['aws_iam']);
    const roots = [mutations, schema.getQueryType()!.getFields(), schema.getSubscriptionType()!.getFields()];
    for (const field of roots.flatMap((root) => Object.values(root))) {
      // What the function publishes reaches whoever may subscribe.
      for (const type of answered(getNamedType(field.type))) {
        for (const mode of openTo(field)) assert.ok(openTo(type).includes(mode), `${field.name}, ${type.name}: ${mode}`);
      }
      const asked = openTo(field).includes('aws_iam');
      assert.equal(asked, field.name === 'publishMessage' || 'APPSYNC_IAM' in settings, field.name);
    }
  }
});

/** An object type and those that it is made of. */
function answered(type: GraphQLNamedType, found: GraphQLObjectType[] = []): GraphQLObjectType[] {
  if (!isObjectType(type) || found.includes(type)) return found;
  found.push(type);
  for (const field of Object.values(type.getFields())) answered(getNamedType(field.type), found);
  return found;
}

test('what is pushed can be all that a message has', () => {
  const schema = buildSchema(APPSYNC + definition());
  const inputs = { MeshMessageInput: 'MeshMessage', BatchEventInput: 'BatchEvent', BatchedEventInput: 'Event', GroupDissolveInput: 'GroupDissolvePayload' };
  for (const [input, type] of Object.entries(inputs)) {
    const given = Object.keys((schema.getType(input) as GraphQLInputObjectType).getFields());
    const answers = Object.keys((schema.getType(type) as GraphQLObjectType).getFields());
    // Reports are delivered by their own mutation, and events have no cursor in a message.
    assert.deepEqual(given, answers.filter((name) => name !== 'nodeStatus' && name !== 'cursor'), input);
  }
});

test('directives change nothing else', () => {
  assert.equal(openedTo(['@aws_api_key', '@aws_iam'], contract).replaceAll(' @aws_api_key @aws_iam', ''), contract);
});

/** The contract's schema file, as AppSync takes it. */

import { type FieldDefinitionNode, Kind, type ObjectTypeDefinitionNode, type TypeNode, parse } from 'graphql';

/** A field that a resolver answers. */
export interface Field {
  typeName: 'Query' | 'Mutation' | 'Subscription';
  fieldName: string;
}

const ROOTS = ['Query', 'Mutation', 'Subscription'];

function objects(schema: string): ObjectTypeDefinitionNode[] {
  return parse(schema).definitions.filter(
    (node): node is ObjectTypeDefinitionNode => node.kind === Kind.OBJECT_TYPE_DEFINITION,
  );
}

/** The fields of Query and Mutation, in the file's order; with those of Subscription if asked. */
export function fields(schema: string, subscriptions = false): Field[] {
  const roots = subscriptions ? ROOTS : ROOTS.filter((root) => root !== 'Subscription');
  return objects(schema).flatMap((type) =>
    roots.includes(type.name.value)
      ? (type.fields ?? []).map((field) => ({
          typeName: type.name.value as Field['typeName'],
          fieldName: field.name.value,
        }))
      : [],
  );
}

/**
 * The schema without its scalar AWSDateTime: AppSync brings that type itself and takes no
 * scalars from elsewhere. Nothing else is changed.
 */
export function forAppSync(schema: string): string {
  const scalars = parse(schema).definitions.filter((node) => node.kind === Kind.SCALAR_TYPE_DEFINITION);
  const [scalar, ...others] = scalars;
  if (scalar?.name.value !== 'AWSDateTime' || others.length > 0) {
    throw new Error('the schema should define the scalar AWSDateTime once, and no other');
  }
  return schema.slice(0, scalar.loc!.start) + schema.slice(scalar.loc!.end + 1);
}

/**
 * The schema with the function's own mutation (schema/appsync.graphql), which the subscription
 * delivers as well. AppSync takes no `extend`, so its fields go into the type.
 */
export function withPush(schema: string, extension: string): string {
  const added = parse(extension).definitions;
  const mutation = added.find((node) => node.kind === Kind.OBJECT_TYPE_EXTENSION);
  const inputs = added.filter((node) => node !== mutation);
  if (mutation?.name.value !== 'Mutation' || inputs.some(({ kind }) => kind !== Kind.INPUT_OBJECT_TYPE_DEFINITION)) {
    throw new Error('schema/appsync.graphql should extend Mutation and define inputs');
  }
  const text = ({ loc }: { loc?: { start: number; end: number } }) => extension.slice(loc!.start, loc!.end);
  const ownFields = mutation.fields ?? [];
  const end = objects(schema).find(({ name }) => name.value === 'Mutation')!.loc!.end - 1;
  const extended = `${schema.slice(0, end)}  ${ownFields.map(text).join('\n  ')}\n${schema.slice(end)}`;
  const names = ownFields.map(({ name }) => `, "${name.value}"`).join('');
  const delivered = extended.replace(/(@aws_subscribe\(mutations: \[[^\]]+)\]/g, `$1${names}]`);
  return `${delivered.trimEnd()}\n\n${inputs.map(text).join('\n\n')}\n`;
}

/** The object types that a field's answers are made of. */
function typesOf(types: ObjectTypeDefinitionNode[], field: FieldDefinitionNode): Set<string> {
  const found = new Set<string>();
  const add = ({ type }: FieldDefinitionNode) => {
    const name = nameIn(type);
    const answered = types.find((one) => one.name.value === name);
    if (!answered || found.has(name)) return;
    found.add(name);
    answered.fields?.forEach(add);
  };
  add(field);
  return found;
}

/** The type in a list or a type that is not null. */
function nameIn(type: TypeNode): string {
  return type.kind === Kind.NAMED_TYPE ? type.name.value : nameIn(type.type);
}

/**
 * The schema with these directives on every object type and every root field. AppSync lets
 * only the default mode at what has none, field by field, so with a second mode all need
 * them: the subscription and each type that an answer is made of. The answers of the function's
 * own mutation are open to AWS credentials as well; to those alone, no client would get them.
 */
export function openedTo(directives: string[], schema: string): string {
  const types = objects(schema);
  const ofFunction = types.flatMap(({ fields = [] }) => fields).find((field) => field.directives?.some(isIam));
  const pushed = ofFunction ? typesOf(types, ofFunction) : new Set<string>();
  const marks = (asked: string[]) => asked.map((directive) => ` ${directive}`).join('');
  const [usual, more] = [directives.length > 1 ? directives : [], [...new Set([...directives, '@aws_iam'])]];
  const places = types.flatMap(({ name, fields = [] }): [number, string][] =>
    ROOTS.includes(name.value)
      ? fields.filter((field) => field !== ofFunction).map((field) => [field.type.loc!.end, marks(usual)])
      : [[name.loc!.end, marks(pushed.has(name.value) ? more : usual)]],
  );
  return places
    .sort(([one], [other]) => other - one)
    .reduce((text, [at, mark]) => text.slice(0, at) + mark + text.slice(at), schema);
}

function isIam({ name }: { name: { value: string } }): boolean {
  return name.value === 'aws_iam';
}

/** The contract's schema file, as AppSync takes it. */

import { Kind, type ObjectTypeDefinitionNode, parse } from 'graphql';

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
 * The schema with these directives on every object type and every root field. AppSync lets
 * only the default mode at what has none, field by field, so with a second mode all need
 * them: the subscription and each type that an answer is made of.
 */
export function openedTo(directives: string[], schema: string): string {
  const mark = directives.map((directive) => ` ${directive}`).join('');
  const places = objects(schema).flatMap((type) =>
    ROOTS.includes(type.name.value)
      ? (type.fields ?? []).map((field) => field.type.loc!.end)
      : [type.name.loc!.end],
  );
  return places
    .sort((one, other) => other - one)
    .reduce((text, at) => text.slice(0, at) + mark + text.slice(at), schema);
}

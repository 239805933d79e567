// The GraphQL engine: graphql-js on the schema file, with AppSync's words for errors.
import { readFileSync } from "node:fs";
import {
  Kind, buildSchema, execute, executeSync, getNamedType, getVariableValues, parse, typeFromAST, validate,
} from "graphql";
import { HandlerError } from "./appsync-utils.mjs";
import { dateTime } from "./date-time.mjs";

/** The contract, and what the stack adds to it. */
const FILES = ["schema.graphql", "appsync.graphql"].map((name) => new URL(`../../schema/${name}`, import.meta.url));
// AppSync knows the directives by itself, so the files do not declare them.
const OWN = "directive @aws_subscribe(mutations: [String!]!) on FIELD_DEFINITION directive @aws_iam on FIELD_DEFINITION\n";

export const schema = buildSchema(OWN + FILES.map((file) => readFileSync(file, "utf8")).join("\n"));
Object.assign(schema.getType("AWSDateTime"), { parseValue: dateTime, parseLiteral: (node) => dateTime(node.value) });

/** A request that could not be run: `errors` in AppSync's form. */
export class Invalid extends Error {
  constructor(errors) {
    super("invalid");
    this.errors = errors.map(ofDocument);
  }
}

/** A request with several operations of which none was named. */
export class NoOperationName extends Error {}

/** Parses, validates and chooses: an operation that can run, its variables coerced. */
export function prepare({ query, variables, operationName }) {
  const document = parsed(query);
  const faults = validate(schema, document);
  if (faults.length > 0) throw new Invalid(faults);
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  if (!operationName && operations.length > 1) throw new NoOperationName();
  const operation = operationName ? operations.find((it) => it.name?.value === operationName) : operations[0];
  if (!operation) throw new Invalid([{ message: `Unknown operation named '${operationName}'.` }]);
  return { document, operation, variables: coerced(operation, variables ?? {}) };
}

function parsed(query) {
  try {
    return parse(query);
  } catch (error) {
    throw new Invalid([error]);
  }
}

function coerced(operation, variables) {
  const wanted = operation.variableDefinitions ?? [];
  for (const { variable, type, defaultValue } of wanted) {
    if (type.kind === Kind.NON_NULL_TYPE && !defaultValue && variables[variable.name.value] == null) {
      const what = `NonNull type '${typeFromAST(schema, type)}'`;
      throw new Invalid([{ message: `Variable '${variable.name.value}' has coerced Null value for ${what}` }]);
    }
  }
  const { errors, coerced: values } = getVariableValues(schema, wanted, variables);
  if (errors) throw new Invalid(errors);
  return values;
}

/** Runs a query or mutation; `fieldResolver` answers each field of each object. */
export async function run(prepared, fieldResolver) {
  return answered(await execute({ ...execution(prepared), fieldResolver }));
}

/** A subscription's message from a mutation's result; nothing is awaited, so the order is kept. */
export function render(prepared, rootValue) {
  return answered(executeSync({ ...execution(prepared), rootValue, fieldResolver: byName }));
}

/** Answers a field of an object by its name in what the Lambda returned. */
export const byName = (source, _arguments, _context, { fieldName }) => source?.[fieldName];

const execution = ({ document, operation, variables }) => ({
  schema, document, operationName: operation.name?.value, variableValues: variables,
});

const answered = ({ data, errors }) => (errors ? { data, errors: errors.map(ofField) } : { data });

function ofDocument({ message, locations }) {
  return { path: null, locations: places(locations), message };
}

function ofField({ message, path, locations, originalError: raised }) {
  if (!(raised instanceof HandlerError)) return { path, locations: null, message: ofNulls(message, path) };
  const { data, type, info } = raised;
  return { path, data, errorType: type, errorInfo: info, locations: places(locations), message };
}

const places = (locations = []) => locations.map(({ line, column }) => ({ line, column, sourceName: null }));

/** AppSync's words for a null that may not be. */
function ofNulls(message, path) {
  const [, parent, field] = /^Cannot return null for non-nullable field (\w+)\.(\w+)\.$/.exec(message) ?? [];
  if (!field) return message;
  const type = getNamedType(schema.getType(parent).getFields()[field].type).name;
  return `Cannot return null for non-nullable type: '${type}' within parent '${parent}' (/${path.join("/")})`;
}

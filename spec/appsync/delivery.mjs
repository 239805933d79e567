// Which subscribers receive a mutation's result, and what of it (docs/compatibility.md, Delivery):
// what the mutation itself selected, in the subscriber's own selection.
import { collectFields, collectSubfields } from "graphql/execution/collectFields.mjs";
import { getArgumentValues, getDirectiveValues, getNullableType, isLeafType, isListType } from "graphql";
import { render, schema } from "./engine.mjs";
import { isForIam } from "./iam.mjs";

/** The mutations of the function, which the stack adds to each @aws_subscribe. */
const ADDED = Object.values(schema.getMutationType().getFields()).filter(isForIam).map(({ name }) => name);
/** For each subscription field, the mutations of its @aws_subscribe in the schema file. */
const FIELDS = Object.values(schema.getSubscriptionType().getFields()).map(({ name, astNode }) => {
  const { mutations } = getDirectiveValues(schema.getDirective("aws_subscribe"), astNode);
  return { name, mutations: [...mutations, ...ADDED] };
});

/** The subscribers of an API. */
export class Subscribers {
  #all = new Set();

  /** Adds a prepared subscription, whose messages go to `deliver(payload)`; returns what ends it. */
  add(prepared, deliver) {
    const [{ name: field, nodes: [node] }] = rootFields(prepared);
    const definition = schema.getSubscriptionType().getFields()[field];
    const wanted = Object.entries(getArgumentValues(definition, node, prepared.variables));
    const subscriber = { field, wanted, prepared, deliver };
    this.#all.add(subscriber);
    return () => this.#all.delete(subscriber);
  }

  /** Delivers each root field of a mutation that succeeded, in their order. */
  publish(prepared, results) {
    for (const { key, name: mutation, nodes } of rootFields(prepared)) {
      if (results[key] == null) continue;
      const type = schema.getMutationType().getFields()[mutation].type;
      const value = restricted(prepared, type, results[key], nodes);
      const fields = FIELDS.filter(({ mutations }) => mutations.includes(mutation)).map(({ name }) => name);
      for (const { field, wanted, prepared: subscription, deliver } of this.#all) {
        const matches = ([name, expected]) => (value[name] ?? null) === expected;
        if (fields.includes(field) && wanted.every(matches)) deliver(render(subscription, { [field]: value }));
      }
    }
  }
}

/** The fields that an operation selects of its root. */
function rootFields({ document, operation, variables }) {
  const root = schema.getRootType(operation.operation);
  const fields = collectFields(schema, fragmentsOf(document), variables, root, operation.selectionSet);
  const named = [...fields].map(([key, nodes]) => ({ key, name: nodes[0].name.value, nodes }));
  return named.filter(({ name }) => !name.startsWith("__"));
}

/** What is left of a value when only the selected fields are known. */
function restricted(prepared, type, value, nodes) {
  const of = getNullableType(type);
  if (value == null || isLeafType(of)) return value ?? null;
  if (isListType(of)) return value.map((item) => restricted(prepared, of.ofType, item, nodes));
  const selected = collectSubfields(schema, fragmentsOf(prepared.document), prepared.variables, of, nodes);
  const names = [...selected.values()].map((fields) => [fields[0].name.value, fields]);
  const known = names.filter(([name]) => !name.startsWith("__"));
  return Object.fromEntries(
    known.map(([name, fields]) => [name, restricted(prepared, of.getFields()[name].type, value[name], fields)]),
  );
}

function fragmentsOf({ definitions }) {
  return Object.fromEntries(definitions.filter((it) => it.kind === "FragmentDefinition").map((it) => [it.name.value, it]));
}

// Which subscriptions hear of a mutation, and what they hear (docs/compatibility.md, Delivery): what
// the mutation itself selected, in the subscriber's own selection.
import { collectFields, collectSubfields } from "graphql/execution/collectFields.mjs";
import { getArgumentValues, getDirectiveValues, getNullableType, isLeafType, isListType } from "graphql";
import { render, schema } from "./engine.mjs";

/** For each subscription field, the mutations of its @aws_subscribe in the schema file. */
const TOLD = Object.values(schema.getSubscriptionType().getFields()).map(({ name, astNode }) => {
  return { name, ...getDirectiveValues(schema.getDirective("aws_subscribe"), astNode) };
});

/** The subscriptions of a stage. */
export class Listeners {
  #all = new Set();

  /** Adds a prepared subscription, which hears by `tell(payload)`; answers how to end it. */
  add(prepared, tell) {
    const [{ name: field, nodes: [node] }] = rootFields(prepared);
    const definition = schema.getSubscriptionType().getFields()[field];
    const wanted = Object.entries(getArgumentValues(definition, node, prepared.variables));
    const listener = { field, wanted, prepared, tell };
    this.#all.add(listener);
    return () => this.#all.delete(listener);
  }

  /** Tells of each root field of a mutation that succeeded, in their order. */
  publish(prepared, results) {
    for (const { key, name: mutation, nodes } of rootFields(prepared)) {
      if (results[key] == null) continue;
      const type = schema.getMutationType().getFields()[mutation].type;
      const told = restricted(prepared, type, results[key], nodes);
      const fields = TOLD.filter(({ mutations }) => mutations.includes(mutation)).map(({ name }) => name);
      for (const { field, wanted, prepared: subscription, tell } of this.#all) {
        const heard = fields.includes(field) && wanted.every(([name, value]) => (told[name] ?? null) === value);
        if (heard) tell(render(subscription, { [field]: told }));
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

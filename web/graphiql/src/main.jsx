import { useEditorContext } from "@graphiql/react";
import { GraphiQL } from "graphiql";
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import "graphiql/style.css";
import "./main.css";
import { exampleTabs, GROUP_PLACEHOLDER } from "./examples.js";
import { createListeners } from "./listeners.js";
import { createSocketClient, KEY_HINT, post, prepare } from "./transport.js";

const STORED_KEY = "mesh-api-key";
const SCHEMA_QUERY = "IntrospectionQuery"; // GraphiQL's name for it

/** The key of this browser tab, or the one a development server offers. */
function initialKey() {
  const offered = document.querySelector('meta[name="mesh-development-key"]')?.content ?? "";
  // A server that fills nothing in leaves the placeholder.
  const usable = offered.startsWith("{{") ? "" : offered;
  return sessionStorage.getItem(STORED_KEY) || usable;
}

// One socket and one list of subscriptions for the page's life. They read the
// key from here, as they outlive any one rendering.
const current = { key: initialKey(), onState: () => {} };
const client = createSocketClient({
  getKey: () => current.key,
  onState: (state) => current.onState(state),
});
const listeners = createListeners(client);
const tabs = exampleTabs();

// On the first visit GraphiQL would show the first tab without its variables,
// and a reload would then not find that tab again: it goes by what is stored.
if (!localStorage.getItem("graphiql:tabState")) {
  localStorage.setItem("graphiql:query", tabs[0].query);
  localStorage.setItem("graphiql:variables", tabs[0].variables);
  // The examples are run by editing their variables: give these more space.
  localStorage.setItem("graphiql:secondaryEditorFlex", "1.5");
}

function App() {
  const [key, setKey] = useState(current.key);
  const [refused, setRefused] = useState(false);
  const [socket, setSocket] = useState("idle");
  const [created, setCreated] = useState(null);

  useEffect(() => {
    current.onState = setSocket;
  }, []);

  const useKey = (entered) => {
    if (entered === current.key) return;
    current.key = entered;
    sessionStorage.setItem(STORED_KEY, entered);
    setKey(entered);
    // Running subscriptions reconnect with the new key.
    client.terminate();
  };

  // A new fetcher makes GraphiQL read the schema again, so it follows the key.
  const fetcher = useCallback(
    async (request, { headers } = {}) => {
      const { params, isSubscription } = prepare(request);
      if (isSubscription) return listeners.start(params);
      const answer = await post(params, key, headers);
      setRefused(Boolean(answer.refused));
      const group = answer.result?.data?.createGroup;
      if (group?.id) setCreated({ groupId: group.id, domain: group.domain });
      // GraphiQL would leave the failed reading of the schema in the response
      // pane, even after a later one went well. The hint above says enough.
      return answer.refused && params.operationName === SCHEMA_QUERY ? "" : answer.result;
    },
    [key],
  );

  return (
    <>
      <header className="mesh-bar">
        <h1>Mesh v2</h1>
        <KeyForm value={key} onKey={useKey} />
        <ConnectionState state={socket} />
      </header>
      {/* Always there, so that screen readers announce what appears in it. */}
      <div role="alert">{refused && <p className="mesh-hint">{KEY_HINT}</p>}</div>
      <main className="mesh-main">
        <GraphiQL
          fetcher={fetcher}
          introspectionQueryName={SCHEMA_QUERY}
          defaultTabs={tabs}
          defaultEditorToolsVisibility="variables"
          shouldPersistHeaders={false}
          onTabChange={listeners.tabsChanged}
        >
          <GraphiQL.Logo>
            <GroupFiller created={created} />
          </GraphiQL.Logo>
        </GraphiQL>
      </main>
      <Messages />
    </>
  );
}

/** Puts the group that was created last into the variables of the tabs that need one. */
function GroupFiller({ created }) {
  const { variableEditor, activeTabIndex } = useEditorContext({ nonNull: true });
  const filled = useRef(GROUP_PLACEHOLDER); // what stands in the tabs that were filled
  const known = useRef(new Set([GROUP_PLACEHOLDER]));

  useEffect(() => {
    if (!created || !variableEditor) return;
    if (filled.current !== created.groupId) {
      known.current.add(filled.current);
      filled.current = created.groupId;
    }
    let variables;
    try {
      variables = JSON.parse(variableEditor.getValue());
    } catch {
      return; // being edited
    }
    if (!known.current.has(variables?.groupId)) return;
    const { groupId, domain } = created;
    const next = { ...variables, groupId, domain: domain ?? variables.domain };
    variableEditor.setValue(JSON.stringify(next, null, 2));
  }, [created, variableEditor, activeTabIndex]);
  return <span />;
}

function KeyForm({ value, onKey }) {
  const [entered, setEntered] = useState(value);
  const [shown, setShown] = useState(false);
  const submit = (event) => {
    event.preventDefault();
    onKey(entered.trim());
  };
  return (
    <form className="mesh-key" onSubmit={submit}>
      <label htmlFor="mesh-key">API key</label>
      <input
        id="mesh-key"
        type={shown ? "text" : "password"}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        value={entered}
        onChange={(event) => setEntered(event.target.value)}
        onBlur={() => onKey(entered.trim())}
      />
      <button type="button" aria-pressed={shown} aria-label="Show the API key" onClick={() => setShown(!shown)}>
        {shown ? "Hide" : "Show"}
      </button>
      <button type="submit">Use key</button>
    </form>
  );
}

function ConnectionState({ state }) {
  const kind = state.split(":")[0];
  return (
    <p className="mesh-state" role="status" data-state={kind}>
      Subscriptions: <strong>{state}</strong>
    </p>
  );
}

function Messages() {
  const { running, messages } = useSyncExternalStore(listeners.watch, listeners.read);
  const list = useRef(null);

  // Keep the newest in view.
  useEffect(() => {
    list.current?.scrollTo({ top: list.current.scrollHeight });
  }, [messages]);

  if (!running.length && !messages.length) return null;
  return (
    <section className="mesh-messages" aria-labelledby="mesh-messages-title">
      <div className="mesh-messages-bar">
        <h2 id="mesh-messages-title">Messages ({messages.length})</h2>
        {running.map(({ id, title }) => (
          <button key={id} type="button" onClick={() => listeners.stop(id)}>
            Stop {title}
          </button>
        ))}
        <button type="button" onClick={listeners.clear}>
          Clear
        </button>
      </div>
      <ol ref={list} role="log" tabIndex={0} aria-labelledby="mesh-messages-title">
        {!messages.length && <li>Listening. Nothing has come yet.</li>}
        {messages.map(({ id, at, title, body }) => (
          <li key={id}>
            <details>
              <summary>
                <time dateTime={at.toISOString()}>{at.toLocaleTimeString()}</time>{" "}
                <code>{gist(body?.data?.[title] ?? body)}</code>
              </summary>
              <pre>{JSON.stringify(body, null, 2)}</pre>
            </details>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** A message in one line: without its empty parts, and the group that all have. */
function gist(message) {
  const dull = (name, value) => value === null || name === "groupId" || name === "domain";
  return JSON.stringify(message, (name, value) => (dull(name, value) ? undefined : value));
}

createRoot(document.getElementById("root")).render(<App />);

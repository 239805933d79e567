import { GraphiQL } from "graphiql";
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import "graphiql/style.css";
import "./main.css";
import { exampleTabs } from "./examples.js";
import { createListeners } from "./listeners.js";
import { createSocketClient, KEY_HINT, post, prepare } from "./transport.js";

const STORED_KEY = "mesh-api-key";

/** The key of this browser tab, or the one a development server offers. */
function initialKey() {
  const offered = document.querySelector('meta[name="mesh-development-key"]')?.content ?? "";
  // A server that fills nothing in leaves the placeholder.
  const usable = offered.startsWith("{{") ? "" : offered;
  return sessionStorage.getItem(STORED_KEY) ?? usable;
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

function App() {
  const [key, setKey] = useState(current.key);
  const [refused, setRefused] = useState(false);
  const [socket, setSocket] = useState("idle");

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
      return answer.result;
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
          defaultTabs={tabs}
          defaultEditorToolsVisibility="variables"
          shouldPersistHeaders={false}
          onTabChange={listeners.tabChanged}
        >
          <GraphiQL.Logo>
            <span />
          </GraphiQL.Logo>
        </GraphiQL>
      </main>
      <Messages />
    </>
  );
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
            <time dateTime={at.toISOString()}>{at.toLocaleTimeString()}</time> {title}{" "}
            <code>{JSON.stringify(withoutNulls(body?.data?.[title] ?? body))}</code>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** A message has one part filled and the others null: leave those out of its line. */
function withoutNulls(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== null));
}

createRoot(document.getElementById("root")).render(<App />);

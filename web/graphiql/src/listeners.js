// The subscriptions that run, and the messages they brought.
//
// GraphiQL stops a subscription as soon as another tab is shown. Then no user
// could see a message arrive that they send from the next tab, so this store
// keeps it going and lists the messages at the bottom of the page.
import { describeFailure } from "./transport.js";

const KEPT = 100; // messages

// GraphiQL unsubscribes just before it reports a change of tab. Wait this long
// to tell "another tab" from "stop".
const GRACE_MS = 150;

export function createListeners(client) {
  let state = { running: [], messages: [] };
  let nextId = 1;
  let tabs = { activeTabIndex: 0, tabs: [] }; // as GraphiQL last reported them
  const watchers = new Set();

  function set(change) {
    state = { ...state, ...change };
    for (const watcher of watchers) watcher();
  }

  function note(title, body) {
    const message = { id: nextId++, at: new Date(), title, body };
    set({ messages: [...state.messages, message].slice(-KEPT) });
  }

  function stop(id) {
    const listener = state.running.find((one) => one.id === id);
    set({ running: state.running.filter((one) => one.id !== id) });
    listener?.unsubscribe();
  }

  const activeTab = () => tabs.tabs[tabs.activeTabIndex];

  /** Whether the tab is still there, but another one is shown. */
  const inBackground = (id) => activeTab()?.id !== id && tabs.tabs.some((tab) => tab.id === id);

  return {
    // For useSyncExternalStore.
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    read: () => state,

    stop,
    clear: () => set({ messages: [] }),
    tabsChanged: (reported) => (tabs = reported),

    /** Starts a subscription; the answer is the observable GraphiQL expects. */
    start(params) {
      const key = JSON.stringify([params.query, params.variables, params.operationName]);
      const title = params.operationName || "subscription";
      return {
        subscribe(observer) {
          // The same one again replaces the one still running in the background.
          for (const one of state.running) if (one.key === key) stop(one.id);

          const id = nextId++;
          const tab = activeTab()?.id;
          const ended = () => set({ running: state.running.filter((one) => one.id !== id) });
          let watched = true; // by GraphiQL's response pane
          let unsubscribe;
          set({ running: [...state.running, { id, key, title, unsubscribe: () => unsubscribe?.() }] });
          unsubscribe = client.subscribe(params, {
            next(result) {
              note(title, result);
              if (watched) observer.next(result);
            },
            error(error) {
              const failure = describeFailure(error);
              note(title, { errors: [failure].flat() });
              ended();
              // Without this graphql-ws goes on counting the failed one, and
              // never closes the next socket.
              unsubscribe?.();
              if (watched) observer.error(failure);
            },
            complete() {
              ended();
              if (watched) observer.complete();
            },
          });
          return {
            unsubscribe() {
              watched = false;
              setTimeout(() => inBackground(tab) || stop(id), GRACE_MS);
            },
          };
        },
      };
    },
  };
}

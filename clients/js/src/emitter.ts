type Handler<T> = (value: T) => void;

/** Calls what was registered for an event of a session. */
export class Emitter<Events extends object> {
  #handlers = new Map<keyof Events, Set<Handler<never>>>();

  /** Calls the handler at each such event; the answer ends that. */
  on<Name extends keyof Events>(name: Name, handler: Handler<Events[Name]>): () => void {
    const handlers = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, handlers.add(handler as Handler<never>));
    return () => void handlers.delete(handler as Handler<never>);
  }

  protected emit<Name extends keyof Events>(name: Name, value: Events[Name]) {
    for (const handler of this.#handlers.get(name) ?? []) {
      try {
        (handler as Handler<Events[Name]>)(value);
      } catch (error) {
        // It is the program's: it is reported as such, and breaks no connection.
        setTimeout(() => {
          throw error;
        });
      }
    }
  }
}

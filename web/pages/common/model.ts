import { useEffect, useState } from "preact/hooks";

/** How often a page is rendered at most, however much a class sends. */
const FRAME_MS = 100;

/** What a page shows: it says when it changed. */
export class Model {
  #changed = new Set<() => void>();
  #announced = false;

  /** Renders the page again, once for all changes of a frame. */
  protected changed() {
    if (this.#announced) return;
    this.#announced = true;
    setTimeout(() => {
      this.#announced = false;
      for (const notify of this.#changed) notify();
    }, FRAME_MS);
  }

  onChange(notify: () => void): () => void {
    this.#changed.add(notify);
    return () => void this.#changed.delete(notify);
  }
}

/** The component is rendered again when the model changes. */
export function useModel<T extends Model | undefined>(model: T): T {
  const [, render] = useState({});
  useEffect(() => model?.onChange(() => render({})), [model]);
  return model;
}

/** The component is rendered again every second: for countdowns. */
export function useSeconds() {
  const [, render] = useState({});
  useEffect(() => {
    const timer = setInterval(() => render({}), 1_000);
    return () => clearInterval(timer);
  }, []);
}

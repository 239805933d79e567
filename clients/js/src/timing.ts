/** Pauses between tries, with as much jitter: a class reconnects together. */
const PAUSES_MS = [500, 1_000, 2_000, 4_000, 8_000];

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** A duration of up to twice as much. */
export const jittered = (ms: number) => ms * (1 + Math.random());

/** The pause after so many failures in a row. */
export const pauseAfter = (failures: number) => jittered(PAUSES_MS[Math.min(failures, PAUSES_MS.length) - 1] ?? 0);

/** How long to wait before something is tried again. */

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/**
 * The wait after `failures` failures in a row, in ms: twice as long each time, and anywhere in its upper half, so that
 * clients which lost a server at one moment do not all come back at one.
 */
export function backoff(failures: number, random: () => number = Math.random): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.max(0, failures - 1));
  return whole * (0.5 + random() / 2);
}

/** Resolves after `ms`, or at once when `signal` is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}

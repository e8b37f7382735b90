/** What the tabs of one person do together. */

const queues = new Map<string, Promise<unknown>>();

/**
 * Runs `work` while no other tab runs something of the same name. Web Locks are missing where the page came over plain
 * HTTP: then only this tab takes turns with itself, and whoever calls must bear that.
 */
export async function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  if (globalThis.navigator?.locks) return (await navigator.locks.request(name, work)) as T;
  const turn = (queues.get(name) ?? Promise.resolve()).then(work, work);
  queues.set(name, turn);
  try {
    return await turn;
  } finally {
    if (queues.get(name) === turn) queues.delete(name);
  }
}

/** Words between the tabs of one origin. A tab does not hear itself. */
export class Channel<T> {
  readonly #channel: BroadcastChannel;

  constructor(name: string, hear: (word: T) => void) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<T>) => hear(data);
    // In Node an open channel keeps the process alive.
    (this.#channel as { unref?(): void }).unref?.();
  }

  say(word: T): void {
    this.#channel.postMessage(word);
  }

  close(): void {
    this.#channel.close();
  }
}

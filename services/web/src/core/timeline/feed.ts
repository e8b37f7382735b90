/**
 * What arrives of one conversation, put in order: a message is delivered once, after all those before it. What comes
 * too early waits for the gap to be filled, and changes are remembered for messages that are loaded later, for a page
 * may have been read before the change and arrive after it.
 */

import { type Held, join, type Known } from "./held";

/** Changes that are remembered of messages which nothing shows. */
const REMEMBERED = 500;

export class Feed {
  /** All up to this `seq` were delivered or are in the store's pages; null until the newest page was loaded. */
  #seen: number | null = null;
  readonly #early = new Map<number, Known>();
  readonly #changes = new Map<number, Held>();

  get seen(): number | null {
    return this.#seen;
  }

  /** The newest message that waits for others before it; null when none does. */
  get waiting(): number | null {
    return this.#seen !== null && this.#early.size > 0 ? Math.max(...this.#early.keys()) : null;
  }

  /** All up to `seq` is loaded, or will be from pages: what arrives continues that. Gives what waited for it. */
  begin(seq: number): Known[] {
    this.#seen = Math.max(this.#seen ?? 0, seq);
    return this.#inOrder();
  }

  /** Takes a message that arrived. Gives those that can be delivered now, in order. */
  take(message: Known): Known[] {
    this.remember(message);
    if (this.#seen !== null && message.seq <= this.#seen) return [];
    const before = this.#early.get(message.seq);
    this.#early.set(message.seq, before ? join(before, message) : message);
    // Beyond the bound the store is asked for what was let go.
    if (this.#early.size > REMEMBERED) this.#early.delete(Math.min(...this.#early.keys()));
    return this.#seen === null ? [] : this.#inOrder();
  }

  /** Takes a page of what comes after `seen`, in order. Numbers that it leaves out are of messages that were removed. */
  fill(page: readonly Known[]): Known[] {
    const delivered: Known[] = [];
    for (const message of page) {
      if (this.#seen !== null && message.seq > this.#seen + 1) this.#seen = message.seq - 1;
      delivered.push(...this.take(message));
    }
    return delivered;
  }

  remember(change: Held): void {
    const before = this.#changes.get(change.seq);
    // Set anew, so that it is the last to be forgotten.
    this.#changes.delete(change.seq);
    this.#changes.set(change.seq, before ? join(before, change) : change);
    const oldest = this.#changes.keys().next().value;
    if (this.#changes.size > REMEMBERED && oldest !== undefined) this.#changes.delete(oldest);
  }

  /** A message of a page with what is known besides. */
  recall(message: Known): Known {
    const change = this.#changes.get(message.seq);
    return change ? join(message, change) : message;
  }

  #inOrder(): Known[] {
    const delivered: Known[] = [];
    let seen = this.#seen ?? 0;
    for (const seq of this.#early.keys()) if (seq <= seen) this.#early.delete(seq);
    for (let next = this.#early.get(seen + 1); next; next = this.#early.get(seen + 1)) {
      seen = next.seq;
      this.#early.delete(seen);
      delivered.push(this.recall(next));
    }
    this.#seen = seen;
    return delivered;
  }
}

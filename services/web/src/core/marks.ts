/** The person's read marks: moved at once for them, told to the server a moment later, and never back. */

import { Problem } from "@/api/problem";
import { backoff } from "./backoff";

/** Whoever scrolls passes many messages: the mark is sent once for all of this time, in ms. */
const GATHER_MS = 300;

export interface MarkTarget {
  readonly online: boolean;
  /** Stores a mark and gives where it stands. */
  send(conversationId: string, seq: number): Promise<number>;
  /** Where the mark is known to stand; null for a conversation that is not known. */
  readSeq(conversationId: string): number | null;
  /** The mark moved here, or was found to stand there. */
  moved(conversationId: string, seq: number): void;
  stored(conversationId: string): void;
}

export class ReadMarks {
  readonly #target: MarkTarget;
  /** Not acknowledged yet. */
  readonly #pending = new Map<string, number>();
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #failures = 0;

  constructor(target: MarkTarget) {
    this.#target = target;
  }

  /** Everything up to `seq` was shown to the person. */
  mark(conversationId: string, seq: number): void {
    const read = this.#target.readSeq(conversationId);
    if (read === null || seq <= read) return;
    this.#pending.set(conversationId, seq);
    this.#target.moved(conversationId, seq);
    this.#schedule(conversationId, GATHER_MS);
  }

  /** Sends what could not be sent before. */
  flush(): void {
    for (const conversationId of this.#pending.keys()) this.#schedule(conversationId, 0);
  }

  stop(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #schedule(conversationId: string, wait: number): void {
    if (this.#timers.has(conversationId)) return;
    const timer = setTimeout(() => void this.#send(conversationId), wait);
    this.#timers.set(conversationId, timer);
  }

  async #send(conversationId: string): Promise<void> {
    const seq = this.#pending.get(conversationId);
    if (seq !== undefined && this.#target.online) {
      try {
        const stands = await this.#target.send(conversationId, seq);
        this.#failures = 0;
        if (this.#pending.get(conversationId) === seq) this.#pending.delete(conversationId);
        this.#target.moved(conversationId, stands);
        this.#target.stored(conversationId);
      } catch (error) {
        const { passing, retryAfterMs } = Problem.from(error);
        // Not a member any more, or the like: there is nothing to mark.
        if (!passing) this.#pending.delete(conversationId);
        this.#failures += 1;
        this.#timers.delete(conversationId);
        if (passing && this.#target.online) this.#schedule(conversationId, retryAfterMs ?? backoff(this.#failures));
        return;
      }
    }
    this.#timers.delete(conversationId);
    // Without a connection the next one sends it.
    if (this.#pending.has(conversationId) && this.#target.online) this.#schedule(conversationId, GATHER_MS);
  }
}

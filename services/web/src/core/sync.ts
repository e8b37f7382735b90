/**
 * Catching up after each connection. The socket follows all conversations from the moment it stands, so what is fetched
 * afterwards joins what arrives meanwhile and nothing between the two is missed.
 */

import { Problem } from "@/api/problem";
import { backoff, pause } from "./backoff";
import type { Conversation, Message } from "./types";
import type { SyncResult } from "./wire";

/** Conversations of one request at most. */
const CONVERSATIONS = 500;
/** Requests for what is `more`; what is missing then is loaded when somebody scrolls there. */
const ROUNDS = 5;

export interface SyncTarget {
  readonly online: boolean;
  request(payload: { conversations: Record<string, number>; changed_since: string | null }): Promise<SyncResult>;
  /** Fetches the list of conversations. */
  loadConversations(): Promise<void>;
  conversations(): readonly Conversation[];
  /** The newest `seq` without a gap of each conversation that is loaded. */
  positions(): Record<string, number>;
  /** A message as it is now, new or changed. */
  take(message: Message): void;
  /** Messages up to `seq` exist that are not fetched. */
  leap(conversationId: string, seq: number): void;
  /** What is loaded of it cannot be continued. */
  reset(conversationId: string): void;
}

export class Sync {
  readonly #target: SyncTarget;
  readonly #running = new AbortController();
  #changedSince: string | null = null;
  #again = false;
  #active: Promise<void> | null = null;

  constructor(target: SyncTarget) {
    this.#target = target;
  }

  stop(): void {
    this.#running.abort();
  }

  /** Catches up. Called while it does, it does so once more. Resolves when all is told, or the connection is lost. */
  run(): Promise<void> {
    this.#again = true;
    this.#active ??= this.#loop().finally(() => {
      this.#active = null;
    });
    return this.#active;
  }

  async #loop(): Promise<void> {
    const { signal } = this.#running;
    for (let failures = 0; this.#again && this.#target.online && !signal.aborted; ) {
      this.#again = false;
      try {
        await Promise.all([this.#target.loadConversations(), this.#messages()]);
        await this.#previews();
        failures = 0;
      } catch (error) {
        failures += 1;
        this.#again = true;
        await pause(Problem.from(error).retryAfterMs ?? backoff(failures), signal);
      }
    }
  }

  /** What was missed of the conversations that are loaded. */
  async #messages(): Promise<void> {
    const since = this.#changedSince;
    let asOf: string | null = null;
    let asked = this.#target.positions();
    for (let round = 1; ; round += 1) {
      const result = await this.#request(asked, since);
      // What changes while pages follow is told by the first one's time.
      asOf ??= result.as_of;
      const more = new Set(result.more.filter((id) => id in asked));
      if (!more.size) break;
      if (round >= ROUNDS) {
        for (const id of more) this.#leap(id);
        break;
      }
      asked = Object.fromEntries(Object.entries(this.#target.positions()).filter(([id]) => more.has(id)));
    }
    this.#changedSince = asOf;
  }

  async #request(conversations: Record<string, number>, since: string | null): Promise<SyncResult> {
    const result = await this.#target.request({ conversations, changed_since: since });
    for (const message of [...result.messages, ...result.changed]) this.#target.take(message);
    for (const id of result.reload) this.#target.reset(id);
    return result;
  }

  /** The newest message of each conversation that is not known: the one after the last but one. */
  async #previews(): Promise<void> {
    const unknown = this.#target
      .conversations()
      .filter(({ last, last_seq, first_seq }) => last_seq >= first_seq && last_seq > 0 && last?.seq !== last_seq)
      .map(({ id, last_seq }) => [id, last_seq - 1] as const);
    for (let at = 0; at < unknown.length; at += CONVERSATIONS) {
      const some = unknown.slice(at, at + CONVERSATIONS);
      const result = await this.#target.request({ conversations: Object.fromEntries(some), changed_since: null });
      for (const message of result.messages) this.#target.take(message);
    }
  }

  #leap(id: string): void {
    const conversation = this.#target.conversations().find((other) => other.id === id);
    if (conversation) this.#target.leap(id, conversation.last_seq);
  }
}

/** Who types, and telling that one types oneself. All of it may get lost: it is only of the moment. */

import { createStore } from "zustand/vanilla";
import type { Link } from "./link";
import type { PresenceEvents, PresenceRequests } from "./wire";

/** The server lets it expire after 6 s: told again before that, and forgotten a little later when its end was not heard. */
const REPEAT_MS = 3_000;
const IDLE_MS = 5_000;
const EXPIRE_MS = 8_000;

export class Typing {
  readonly store = createStore<ReadonlyMap<string, readonly string[]>>(() => new Map());
  readonly #link: Link<PresenceEvents, PresenceRequests>;
  readonly #expiries = new Map<string, ReturnType<typeof setTimeout>>();
  #told: { conversationId: string; at: number; idle: ReturnType<typeof setTimeout> } | null = null;

  constructor(link: Link<PresenceEvents, PresenceRequests>, me: string) {
    this.#link = link;
    link.on("typing:changed", ({ conversation_id, user_ids }) =>
      this.#show(
        conversation_id,
        user_ids.filter((id) => id !== me),
      ),
    );
  }

  stop(): void {
    if (this.#told) this.stopped(this.#told.conversationId);
    for (const timer of this.#expiries.values()) clearTimeout(timer);
  }

  typed(conversationId: string): void {
    const now = Date.now();
    const told = this.#told;
    if (told && told.conversationId !== conversationId) this.stopped(told.conversationId);
    clearTimeout(told?.idle);
    const again = told?.conversationId === conversationId && now - told.at < REPEAT_MS;
    const idle = setTimeout(() => this.stopped(conversationId), IDLE_MS);
    this.#told = { conversationId, at: again ? told.at : now, idle };
    if (!again) this.#tell("typing:start", conversationId);
  }

  stopped(conversationId: string): void {
    if (this.#told?.conversationId !== conversationId) return;
    clearTimeout(this.#told.idle);
    this.#told = null;
    this.#tell("typing:stop", conversationId);
  }

  #tell(event: "typing:start" | "typing:stop", conversation_id: string): void {
    this.#link.request(event, { conversation_id }).catch(() => undefined);
  }

  #show(conversationId: string, people: readonly string[]): void {
    const typing = new Map(this.store.getState());
    clearTimeout(this.#expiries.get(conversationId));
    this.#expiries.delete(conversationId);
    if (people.length) {
      typing.set(conversationId, people);
      const expire = setTimeout(() => this.#show(conversationId, []), EXPIRE_MS);
      this.#expiries.set(conversationId, expire);
    } else typing.delete(conversationId);
    this.store.setState(typing, true);
  }
}

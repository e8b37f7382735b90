/** How far the others have read, in conversations where that is shown. */

import { createStore } from "zustand/vanilla";
import { type Api, ok } from "@/api/client";
import type { ReadChange } from "./wire";

/** `seq` by person. */
export type Marks = ReadonlyMap<string, number>;

export class Reads {
  readonly store = createStore<ReadonlyMap<string, Marks>>(() => new Map());
  readonly #api: Api;
  readonly #watched = new Map<string, number>();

  constructor(api: Api) {
    this.#api = api;
  }

  /** Keeps a conversation's marks until the function that it returns is called. */
  watch(conversationId: string): () => void {
    const watchers = this.#watched.get(conversationId) ?? 0;
    this.#watched.set(conversationId, watchers + 1);
    if (watchers === 0) void this.#load(conversationId);
    let watching = true;
    return () => {
      if (!watching) return;
      watching = false;
      const left = (this.#watched.get(conversationId) ?? 1) - 1;
      if (left > 0) this.#watched.set(conversationId, left);
      else this.#watched.delete(conversationId);
    };
  }

  /** After an outage marks may have moved unheard. */
  reload(): void {
    for (const conversationId of this.#watched.keys()) void this.#load(conversationId);
  }

  take({ conversation_id, user_id, seq }: ReadChange): void {
    if (this.#watched.has(conversation_id)) this.#join(conversation_id, [[user_id, seq]]);
  }

  async #load(conversationId: string): Promise<void> {
    try {
      const params = { path: { conversation_id: conversationId } };
      const { items } = await ok(this.#api.GET("/api/v1/conversations/{conversation_id}/reads", { params }));
      this.#join(
        conversationId,
        items.map(({ user_id, seq }) => [user_id, seq]),
      );
    } catch {
      // They are loaded again with the next connection; nothing waits for them.
    }
  }

  #join(conversationId: string, marks: readonly (readonly [string, number])[]): void {
    const before = this.store.getState().get(conversationId) ?? new Map<string, number>();
    const moved = marks.filter(([person, seq]) => seq > (before.get(person) ?? 0));
    if (!moved.length && this.store.getState().has(conversationId)) return;
    // Only what is watched is kept.
    const kept = [...this.store.getState()].filter(([id]) => this.#watched.has(id));
    this.store.setState(new Map(kept).set(conversationId, new Map([...before, ...moved])), true);
  }
}

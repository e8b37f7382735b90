/** The person's favourite conversations, kept on this device. */

import { createStore } from "zustand/vanilla";

export class Favourites {
  readonly store = createStore<ReadonlySet<string>>(() => new Set());
  readonly #key: string;

  constructor(userId: string) {
    this.#key = `chat-favourites-${userId}`;
  }

  start(): void {
    if (typeof window === "undefined") return;
    this.#read(localStorage.getItem(this.#key));
    window.addEventListener("storage", this.#heard);
  }

  stop(): void {
    if (typeof window !== "undefined") window.removeEventListener("storage", this.#heard);
  }

  readonly toggle = (id: string): void => {
    const ids = new Set(this.store.getState());
    if (!ids.delete(id)) ids.add(id);
    this.store.setState(ids, true);
    try {
      localStorage.setItem(this.#key, JSON.stringify([...ids]));
    } catch {
      // Storage is full or forbidden: they last as long as the page.
    }
  };

  readonly #heard = ({ key, newValue }: StorageEvent): void => {
    if (key === this.#key) this.#read(newValue);
  };

  #read(text: string | null): void {
    try {
      const ids: unknown = JSON.parse(text ?? "[]");
      if (Array.isArray(ids)) this.store.setState(new Set(ids.filter((id) => typeof id === "string")), true);
    } catch {
      // Not written by us.
    }
  }
}

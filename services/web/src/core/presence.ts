/** How people appear, of those whom something shows, and one's own status. */

import { createStore } from "zustand/vanilla";
import type { Link } from "./link";
import type { Presence as Appearance, MyPresence, PresenceSetting } from "./types";
import type { PresenceEvents, PresenceRequests } from "./wire";

/** People of one request, and of one socket, at most. */
const BATCH = 200;
const MOST = 1_000;
/** Rows that scroll by come and go: changes are gathered for so long, in ms. */
const GATHER_MS = 100;
/** Using the device is told once in this time. */
const ACTIVITY_MS = 60_000;

interface PresenceState {
  readonly people: ReadonlyMap<string, Appearance>;
  readonly mine: MyPresence | null;
}

export class Presence {
  readonly store = createStore<PresenceState>(() => ({ people: new Map(), mine: null }));
  readonly #link: Link<PresenceEvents, PresenceRequests>;
  readonly #fetchMine: () => Promise<MyPresence>;
  readonly #wanted = new Map<string, number>();
  readonly #subscribed = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #listening: AbortController | null = null;
  #activeAt = 0;

  constructor(link: Link<PresenceEvents, PresenceRequests>, fetchMine: () => Promise<MyPresence>) {
    this.#link = link;
    this.#fetchMine = fetchMine;
    link.on("presence:changes", ({ items }) => this.#take(items));
    link.on("presence:me", (mine) => this.store.setState({ mine }));
    link.onConnect(() => this.#connected());
  }

  /** Begins to tell when the device is used. */
  start(): void {
    if (typeof window === "undefined") return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    for (const name of ["pointerdown", "keydown", "focus"]) {
      window.addEventListener(name, () => this.#used(), { signal, passive: true, capture: true });
    }
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#putAside() : this.#used()), {
      signal,
    });
  }

  stop(): void {
    this.#listening?.abort();
    clearTimeout(this.#timer);
  }

  /** Keeps somebody's appearance current until the function that it returns is called. */
  watch(userId: string): () => void {
    this.#wanted.set(userId, (this.#wanted.get(userId) ?? 0) + 1);
    this.#gather();
    let watching = true;
    return () => {
      if (!watching) return;
      watching = false;
      const left = (this.#wanted.get(userId) ?? 1) - 1;
      if (left > 0) this.#wanted.set(userId, left);
      else this.#wanted.delete(userId);
      this.#gather();
    };
  }

  readonly set = async (setting: PresenceSetting): Promise<void> => {
    const { user_id, status, text, emoji, expires_at, appears } = await this.#link.request("presence:set", setting);
    this.store.setState({ mine: { user_id, status, text, emoji, expires_at, appears } });
  };

  #connected(): void {
    this.#subscribed.clear();
    this.#activeAt = 0;
    this.#gather();
    this.#used();
    this.#fetchMine().then(
      (mine) => this.store.setState({ mine }),
      // It is told with its next change, and asked for with the next connection.
      () => undefined,
    );
  }

  #gather(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#subscribe();
    }, GATHER_MS);
  }

  async #subscribe(): Promise<void> {
    if (!this.#link.online) return;
    const unwanted = [...this.#subscribed].filter((id) => !this.#wanted.has(id));
    const missing = [...this.#wanted.keys()].filter((id) => !this.#subscribed.has(id));
    const room = MOST - this.#subscribed.size + unwanted.length;
    const added = missing.slice(0, room);
    for (const id of unwanted) this.#subscribed.delete(id);
    for (const id of added) this.#subscribed.add(id);
    try {
      for (const user_ids of batches(unwanted)) await this.#link.request("presence:unsubscribe", { user_ids });
      for (const user_ids of batches(added)) {
        this.#take((await this.#link.request("presence:subscribe", { user_ids, batched: true })).items);
      }
    } catch {
      // Asked for again with the next change of what is shown, or the next connection.
      for (const id of added) if (!this.store.getState().people.has(id)) this.#subscribed.delete(id);
    }
  }

  #take(items: readonly Appearance[]): void {
    const people = new Map(this.store.getState().people);
    // What nothing shows any more is let go when there is much of it.
    if (people.size > 2 * MOST) for (const id of people.keys()) if (!this.#wanted.has(id)) people.delete(id);
    for (const item of items) people.set(item.user_id, item);
    this.store.setState({ people });
  }

  #used(): void {
    const now = Date.now();
    if (now - this.#activeAt < ACTIVITY_MS || !this.#link.online || globalThis.document?.hidden) return;
    this.#activeAt = now;
    this.#tell(true);
  }

  #putAside(): void {
    this.#activeAt = 0;
    this.#tell(false);
  }

  #tell(active: boolean): void {
    this.#link.request("presence:activity", { active }).catch(() => {
      this.#activeAt = 0;
    });
  }
}

function batches(ids: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(ids.length / BATCH) }, (_, at) => ids.slice(at * BATCH, (at + 1) * BATCH));
}

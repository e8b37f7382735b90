/** The truth about the connection, for people: that of messages, which is the one they wait for. */

import { createStore } from "zustand/vanilla";
import type { Link } from "./link";
import type { ConnectionState } from "./types";
import type { MessageEvents, MessageRequests } from "./wire";

export class Connection {
  readonly store = createStore<ConnectionState>(() => ({ status: "connecting", retryAt: null, since: Date.now() }));
  readonly #link: Link<MessageEvents, MessageRequests>;
  #wasOnline = false;
  #listening: AbortController | null = null;

  constructor(link: Link<MessageEvents, MessageRequests>) {
    this.#link = link;
    link.store.subscribe(() => this.#look());
  }

  /** Begins to heed what the device says of its network. */
  start(): void {
    if (typeof window === "undefined") return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    window.addEventListener("online", this.retryNow, { signal });
    window.addEventListener("offline", () => this.#look(), { signal });
    // A page that was put aside comes back: its timers may have slept.
    document.addEventListener("visibilitychange", () => document.hidden || this.retryNow(), { signal });
  }

  stop(): void {
    this.#listening?.abort();
  }

  readonly retryNow = (): void => {
    this.#link.retryNow();
    this.#look();
  };

  #look(): void {
    const { status, retryAt } = this.#link.store.getState();
    if (status === "online") this.#wasOnline = true;
    const offline = typeof navigator !== "undefined" && navigator.onLine === false;
    if (status === "online") this.#tell("online", null);
    else if (offline) this.#tell("offline", null);
    else this.#tell(this.#wasOnline || status === "waiting" ? "reconnecting" : "connecting", retryAt);
  }

  #tell(status: ConnectionState["status"], retryAt: number | null): void {
    const before = this.store.getState();
    const since = before.status === status ? before.since : Date.now();
    this.store.setState({ status, retryAt, since }, true);
  }
}

/** All of the core: who is signed in, and for as long as somebody is, their chat. */

import type { Api } from "@/api/client";
import { Chat } from "./chat";
import { Session } from "./session";

export class Core {
  readonly session: Session;
  readonly #origin: string;
  readonly #listeners = new Set<() => void>();
  #chat: Chat | null = null;
  #running = false;

  /** `origin` is that of the edge; empty for the page's own. */
  constructor(origin = "") {
    this.#origin = origin;
    this.session = new Session(origin);
    this.session.store.subscribe(() => this.#follow());
  }

  get api(): Api {
    return this.session.api;
  }

  get chat(): Chat | null {
    return this.#chat;
  }

  /** Calls `listener` when another person is signed in, or nobody any more. */
  readonly onPerson = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  start(): void {
    this.#running = true;
    this.session.start();
    this.#follow();
  }

  stop(): void {
    this.#running = false;
    this.session.stop();
    this.#follow();
  }

  #follow(): void {
    const state = this.session.store.getState();
    const me = this.#running && state.status === "signed-in" ? state.me : null;
    if (me?.id === this.#chat?.me.id) return;
    // A session that was ended from outside leaves what is unsent for the next sign-in.
    const forget = state.status === "signed-out" && !state.ended;
    void this.#chat?.stop({ forget });
    this.#chat = me && new Chat(me, this.session, this.#origin);
    this.#chat?.start();
    for (const listener of this.#listeners) listener();
  }
}

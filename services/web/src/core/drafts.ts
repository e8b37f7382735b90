/** Texts begun, by place: kept on the device, the same in all tabs. */

import { createStore } from "zustand/vanilla";
import { placeKey } from "./places";
import type { Shelf, StoredDraft } from "./shelf";
import { Channel } from "./tabs";
import type { Place } from "./types";

const SAVE_MS = 300;

export class Drafts {
  readonly store = createStore<ReadonlyMap<string, string>>(() => new Map());
  readonly #shelf: Promise<Shelf<StoredDraft>>;
  readonly #channel: Channel<StoredDraft>;
  readonly #unsaved = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(userId: string, shelf: Promise<Shelf<StoredDraft>>) {
    this.#shelf = shelf;
    this.#channel = new Channel(`chat-drafts-${userId}`, ({ key, text }) => this.#show(key, text));
  }

  async start(): Promise<void> {
    if (typeof window !== "undefined") window.addEventListener("pagehide", this.#save);
    for (const { key, text } of await (await this.#shelf).all()) {
      // What was typed before the device answered counts.
      if (!this.store.getState().has(key) && !this.#unsaved.has(key)) this.#show(key, text);
    }
  }

  stop(): void {
    if (typeof window !== "undefined") window.removeEventListener("pagehide", this.#save);
    this.#save();
    this.#channel.close();
  }

  set(place: Place, text: string): void {
    const key = placeKey(place);
    if ((this.store.getState().get(key) ?? "") === text) return;
    this.#show(key, text);
    this.#unsaved.add(key);
    this.#timer ??= setTimeout(this.#save, SAVE_MS);
  }

  #show(key: string, text: string): void {
    const drafts = new Map(this.store.getState());
    if (text) drafts.set(key, text);
    else drafts.delete(key);
    this.store.setState(drafts, true);
  }

  readonly #save = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const drafts = [...this.#unsaved].map((key) => ({ key, text: this.store.getState().get(key) ?? "" }));
    this.#unsaved.clear();
    for (const draft of drafts) this.#channel.say(draft);
    void this.#shelf
      .then((shelf) =>
        Promise.all(drafts.map((draft) => (draft.text ? shelf.put(draft.key, draft) : shelf.remove(draft.key)))),
      )
      // Nothing more can be done for a draft that the device does not keep.
      .catch(() => undefined);
  };
}

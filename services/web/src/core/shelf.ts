/** What is kept on the device over reloads: a table of values by key. Where the browser keeps nothing, for the page's life. */

import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { Outgoing } from "./types";

export interface Shelf<T> {
  all(): Promise<readonly T[]>;
  get(key: string): Promise<T | undefined>;
  put(key: string, value: T): Promise<void>;
  remove(key: string): Promise<void>;
}

/** An outgoing message and its turn. */
export interface Queued extends Outgoing {
  /** Lower ones were written before. */
  readonly order: number;
}

export interface StoredDraft {
  readonly key: string;
  readonly text: string;
}

interface Schema extends DBSchema {
  outbox: { key: string; value: Queued };
  drafts: { key: string; value: StoredDraft };
}

export interface Shelves {
  readonly outbox: Shelf<Queued>;
  readonly drafts: Shelf<StoredDraft>;
  close(): void;
}

/** What the device keeps of a person. */
export async function openShelves(userId: string): Promise<Shelves> {
  try {
    const database = await openDB<Schema>(databaseOf(userId), 1, {
      upgrade(made) {
        made.createObjectStore("outbox");
        made.createObjectStore("drafts");
      },
      // Another tab deletes it when the person signs out.
      blocking: (_current, _blocked, event) => (event.target as IDBDatabase | null)?.close(),
    });
    return { outbox: table(database, "outbox"), drafts: table(database, "drafts"), close: () => database.close() };
  } catch {
    // Storage is full or forbidden: what is unsent lives as long as the page.
    return { outbox: new MemoryShelf(), drafts: new MemoryShelf(), close: () => undefined };
  }
}

/** Removes all that the device keeps of a person. */
export async function removeShelves(userId: string): Promise<void> {
  const request = indexedDB.deleteDatabase(databaseOf(userId));
  await new Promise((resolve) => {
    request.onsuccess = request.onerror = resolve;
  });
}

function databaseOf(userId: string): string {
  return `chat-${userId}`;
}

function table<N extends "outbox" | "drafts">(database: IDBPDatabase<Schema>, name: N): Shelf<Schema[N]["value"]> {
  return {
    all: () => database.getAll(name),
    get: (key) => database.get(name, key),
    put: async (key, value) => void (await database.put(name, value, key)),
    remove: (key) => database.delete(name, key),
  };
}

export class MemoryShelf<T> implements Shelf<T> {
  readonly #values = new Map<string, T>();

  async all(): Promise<readonly T[]> {
    return [...this.#values.values()];
  }

  async get(key: string): Promise<T | undefined> {
    return this.#values.get(key);
  }

  async put(key: string, value: T): Promise<void> {
    this.#values.set(key, value);
  }

  async remove(key: string): Promise<void> {
    this.#values.delete(key);
  }
}

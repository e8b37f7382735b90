/** The person's conversations: fetched with each connection, kept current by what arrives in between. */

import { createStore } from "zustand/vanilla";
import { type Api, ok } from "@/api/client";
import { Problem } from "@/api/problem";
import type { components } from "@/api/schema";
import { byActivity, changed, conversationOf, type Entry, fetched, heard, miscounted, read } from "./conversation";
import type { Conversation, MemberRole, Message } from "./types";
import type { StoredConversation } from "./wire";

type Schemas = components["schemas"];

const PAGE = 100;

export interface ConversationsState {
  readonly status: "loading" | "ready" | "failed";
  readonly problem: Problem | null;
  readonly byId: ReadonlyMap<string, Conversation>;
  readonly sorted: readonly Conversation[];
}

/** What a new conversation may have; the rest follows its type. */
export type NewConversation = Pick<Schemas["CreateConversation"], "type" | "members"> &
  Partial<Schemas["CreateConversation"]>;
export type ConversationChanges = Partial<Schemas["ChangeConversation"]>;

/** What can be done to conversations. All reject with Problems. */
export interface ConversationActions {
  /** A second direct conversation with the same person gives the first. */
  create(conversation: NewConversation): Promise<Conversation>;
  /** Enters a public channel. */
  join(id: string): Promise<Conversation>;
  change(id: string, changes: ConversationChanges): Promise<void>;
  /** Deletes it for everybody. */
  remove(id: string): Promise<void>;
  leave(id: string): Promise<void>;
  addMember(id: string, userId: string): Promise<void>;
  removeMember(id: string, userId: string): Promise<void>;
  /** `owner` hands it over. */
  setRole(id: string, userId: string, role: MemberRole): Promise<void>;
  /** Fetches all anew. */
  reload(): Promise<void>;
}

export class Conversations {
  readonly store = createStore<ConversationsState>(() => ({
    status: "loading",
    problem: null,
    byId: new Map(),
    sorted: [],
  }));
  readonly #api: Api;
  readonly #me: string;
  readonly #entries = new Map<string, Entry>();
  readonly #counting = new Map<string, Promise<void>>();

  constructor(api: Api, me: string) {
    this.#api = api;
    this.#me = me;
  }

  readonly actions: ConversationActions = {
    create: async (conversation) => {
      const body = { visibility: "private", posting: "members", ...conversation } as const;
      return this.#opened((await ok(this.#api.POST("/api/v1/conversations", { body }))).id);
    },
    join: async (id) => {
      await ok(this.#api.POST("/api/v1/conversations/{conversation_id}/join", { params: path(id) }));
      return this.#opened(id);
    },
    change: async (id, changes) => {
      // The document's types ask for fields that have defaults; a change that leaves them out leaves them alone.
      const body = changes as Schemas["ChangeConversation"];
      this.change(await ok(this.#api.PATCH("/api/v1/conversations/{conversation_id}", { params: path(id), body })));
    },
    remove: async (id) => {
      await ok(this.#api.DELETE("/api/v1/conversations/{conversation_id}", { params: path(id) }));
      this.forget(id);
    },
    leave: async (id) => {
      await this.actions.removeMember(id, this.#me);
      this.forget(id);
    },
    addMember: async (id, user_id) => {
      const body = { user_id };
      await ok(this.#api.POST("/api/v1/conversations/{conversation_id}/members", { params: path(id), body }));
    },
    removeMember: async (id, user_id) => {
      const params = { path: { conversation_id: id, user_id } };
      await ok(this.#api.DELETE("/api/v1/conversations/{conversation_id}/members/{user_id}", { params }));
    },
    setRole: async (id, user_id, role) => {
      const params = { path: { conversation_id: id, user_id } };
      await ok(
        this.#api.PATCH("/api/v1/conversations/{conversation_id}/members/{user_id}", { params, body: { role } }),
      );
    },
    reload: () => this.load(),
  };

  /** Fetches all of them. Rejects with a Problem, which the state shows where nothing is known yet. */
  async load(): Promise<void> {
    const before = [...this.#entries.keys()];
    const found = new Set<string>();
    try {
      let cursor: string | null = null;
      do {
        const query: { limit: number; cursor?: string } = cursor ? { limit: PAGE, cursor } : { limit: PAGE };
        const page: Schemas["ConversationPage"] = await ok(
          this.#api.GET("/api/v1/conversations", { params: { query } }),
        );
        for (const own of page.items) {
          found.add(own.id);
          this.#entries.set(own.id, fetched(own, this.#entries.get(own.id)));
        }
        cursor = page.next_cursor;
      } while (cursor);
    } catch (error) {
      const problem = Problem.from(error);
      if (this.store.getState().status !== "ready") this.store.setState({ status: "failed", problem });
      throw problem;
    }
    // What was opened meanwhile may be missing from pages read before.
    for (const id of before) if (!found.has(id)) this.#entries.delete(id);
    this.store.setState({ status: "ready", problem: null });
    this.#show(...before, ...found);
  }

  /** Fetches one, which is new or not what it was. A conversation that is not the person's is forgotten. */
  async fetch(id: string): Promise<void> {
    try {
      const own = await ok(this.#api.GET("/api/v1/conversations/{conversation_id}", { params: path(id) }));
      this.#entries.set(id, fetched(own, this.#entries.get(id)));
      this.#show(id);
    } catch (error) {
      if (Problem.from(error).status !== 404) throw error;
      this.forget(id);
    }
  }

  /** A message was sent, or is as it is now. */
  take(message: Message): void {
    this.#edit(message.conversation_id, (entry) => heard(entry, message, this.#me));
  }

  /** The person has read up to there. */
  read(id: string, seq: number): void {
    this.#edit(id, (entry) => read(entry, seq));
  }

  /** After a read mark was stored: asks for what only the store can count. */
  async count(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (!entry || !miscounted(entry) || this.#counting.has(id)) return;
    const counting = this.fetch(id).finally(() => this.#counting.delete(id));
    this.#counting.set(id, counting);
    await counting;
  }

  /** Its name, members or the like changed; one that is not known is the caller's to fetch. */
  change(stored: StoredConversation): boolean {
    if (!this.#entries.has(stored.id)) return false;
    this.#edit(stored.id, (entry) => changed(entry, stored));
    return true;
  }

  forget(id: string): void {
    if (this.#entries.delete(id)) this.#show(id);
  }

  readSeq(id: string): number | null {
    return this.#entries.get(id)?.readSeq ?? null;
  }

  async #opened(id: string): Promise<Conversation> {
    await this.fetch(id);
    const conversation = this.store.getState().byId.get(id);
    if (!conversation) throw Problem.unanswered("network");
    return conversation;
  }

  #edit(id: string, edit: (entry: Entry) => Entry): void {
    const before = this.#entries.get(id);
    const after = before && edit(before);
    if (!after || after === before) return;
    this.#entries.set(id, after);
    this.#show(id);
  }

  #show(...ids: string[]): void {
    const byId = new Map(this.store.getState().byId);
    for (const id of ids) {
      const entry = this.#entries.get(id);
      if (entry) byId.set(id, conversationOf(entry));
      else byId.delete(id);
    }
    this.store.setState({ byId, sorted: [...byId.values()].sort(byActivity) });
  }
}

function path(id: string) {
  return { path: { conversation_id: id } };
}

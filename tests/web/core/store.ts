/** A conversation as the message service keeps it, for tests of what clients make of what it tells. */

import type { Message } from "@/core/types";
import type { ReactionChange } from "@/core/wire";

export const CONVERSATION = "conversation";

export function message(seq: number, changes: Partial<Message> = {}): Message {
  return {
    id: `message-${seq}`,
    conversation_id: CONVERSATION,
    seq,
    sender_id: "ada",
    client_id: `client-${seq}`,
    body: `text ${seq}`,
    attachments: [],
    mentions: [],
    mentions_all: false,
    thread_root: null,
    reply_count: 0,
    reactions: {},
    created_at: new Date(Date.UTC(2026, 0, 1) + seq * 1_000).toISOString(),
    edited_at: null,
    deleted_at: null,
    deletion: null,
    revision: 0,
    ...changes,
  };
}

export type Told =
  | { readonly kind: "message"; readonly message: Message }
  | { readonly kind: "reactions"; readonly change: ReactionChange };

/** The truth, and every event that was told of it, in order. */
export class Store {
  readonly messages: Message[] = [];
  readonly told: Told[] = [];

  get lastSeq(): number {
    return this.messages.length;
  }

  send(changes: Partial<Message> = {}): Message {
    const sent = message(this.lastSeq + 1, changes);
    this.messages.push(sent);
    this.told.push({ kind: "message", message: sent });
    return sent;
  }

  edit(seq: number, body: string): void {
    this.#change(seq, { body, edited_at: "2026-02-01T00:00:00.000Z" });
  }

  delete(seq: number): void {
    this.#change(seq, { body: "", reactions: {}, deleted_at: "2026-02-01T00:00:00.000Z", deletion: "sender" });
  }

  react(seq: number, reactions: Message["reactions"]): void {
    const before = this.#at(seq);
    if (before.deletion) return;
    const after = { ...before, reactions, revision: before.revision + 1 };
    this.messages[seq - 1] = after;
    const { id, conversation_id, revision } = after;
    this.told.push({ kind: "reactions", change: { message_id: id, conversation_id, seq, reactions, revision } });
  }

  /** As `GET …/messages` answers, in the API's own order. */
  page(query: { before_seq?: number; after_seq?: number; limit?: number; thread_root?: string }) {
    const { before_seq, after_seq, limit = 50, thread_root } = query;
    const all = this.messages.filter((sent) => !thread_root || sent.thread_root === thread_root);
    if (after_seq !== undefined) {
      const found = all.filter(({ seq }) => seq > after_seq);
      return { items: found.slice(0, limit), has_more: found.length > limit };
    }
    const found = all.filter(({ seq }) => before_seq === undefined || seq < before_seq).reverse();
    return { items: found.slice(0, limit), has_more: found.length > limit };
  }

  #at(seq: number): Message {
    const found = this.messages[seq - 1];
    if (!found) throw new Error(`no message ${seq}`);
    return found;
  }

  #change(seq: number, change: Partial<Message>): void {
    const before = this.#at(seq);
    if (before.deletion) return;
    const after = { ...before, ...change, revision: before.revision + 1 };
    this.messages[seq - 1] = after;
    this.told.push({ kind: "message", message: after });
  }
}

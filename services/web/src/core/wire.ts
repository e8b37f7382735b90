/** The events of the two real-time services, as `docs/asyncapi.yaml` has them. */

import type { ProblemDocument } from "@/api/problem";
import type { components } from "@/api/schema";
import type { Message, MyPresence, Presence, PresenceSetting } from "./types";

export type Reactions = Message["reactions"];
export type StoredConversation = Readonly<components["schemas"]["Conversation"]>;

export type Ack<T> = ({ ok: true } & T) | { ok: false; error: ProblemDocument };

/** A request and what acknowledges it. */
type Event<Payload, Answer> = (payload: Payload, acknowledge: (answer: Ack<Answer>) => void) => void;

export interface SendPayload {
  conversation_id: string;
  client_id: string;
  body: string;
  thread_root: string | null;
  attachments: string[];
}

export interface SyncResult {
  messages: Message[];
  changed: Message[];
  /** To be given as `changed_since` next time. */
  as_of: string;
  more: string[];
  reload: string[];
}

export interface ReactionChange {
  readonly message_id: string;
  readonly conversation_id: string;
  readonly seq: number;
  readonly reactions: Reactions;
  readonly revision: number;
}

export interface ReadChange {
  readonly conversation_id: string;
  readonly user_id: string;
  readonly seq: number;
}

export interface ConversationChange {
  readonly conversation_id: string;
  /** Null: it no longer concerns the person. */
  readonly conversation: StoredConversation | null;
}

/** What every real-time service says of the connection itself. */
export interface ServiceEvents {
  "auth:expired": () => void;
  "server:draining": (notice: { retry_after_ms: number }) => void;
}

export interface MessageEvents extends ServiceEvents {
  "message:new": (message: Message) => void;
  "message:updated": (message: Message) => void;
  "message:deleted": (message: Message) => void;
  "reaction:changed": (change: ReactionChange) => void;
  "read:changed": (change: ReadChange) => void;
  "conversation:changed": (change: ConversationChange) => void;
  "server:resync": () => void;
}

export interface MessageRequests {
  "message:send": Event<SendPayload, { message: Message }>;
  "read:mark": Event<{ conversation_id: string; seq: number }, { seq: number }>;
  sync: Event<{ conversations: Record<string, number>; changed_since: string | null }, SyncResult>;
}

export interface PresenceEvents extends ServiceEvents {
  "presence:me": (me: MyPresence) => void;
  "presence:changes": (changes: { items: Presence[] }) => void;
  "typing:changed": (typing: { conversation_id: string; user_ids: string[] }) => void;
}

type Nothing = Record<never, never>;

export interface PresenceRequests {
  "presence:set": Event<PresenceSetting, MyPresence>;
  "presence:subscribe": Event<{ user_ids: string[]; batched: true }, { items: Presence[] }>;
  "presence:unsubscribe": Event<{ user_ids: string[] }, Nothing>;
  "presence:activity": Event<{ active: boolean }, Nothing>;
  "typing:start": Event<{ conversation_id: string }, Nothing>;
  "typing:stop": Event<{ conversation_id: string }, Nothing>;
}

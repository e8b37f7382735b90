/**
 * What is known of one conversation, and how it follows what is heard and read. Pure; each step may be repeated, and
 * all but a fetch may come in any order.
 */

import type { components } from "@/api/schema";
import type { Conversation, Message } from "./types";
import type { StoredConversation } from "./wire";

export type OwnConversation = Readonly<components["schemas"]["OwnConversation"]>;

export interface Entry {
  readonly stored: StoredConversation;
  /** The newest message heard of. */
  readonly lastSeq: number;
  readonly lastMessageAt: string;
  readonly readSeq: number;
  readonly last: Message | null;
  /** What the store counted up to `countedTo`, while `countedFrom` was read. */
  readonly counted: number;
  readonly countedFrom: number;
  readonly countedTo: number;
  /** Where the person was mentioned after that. */
  readonly mentionedAt: ReadonlySet<number>;
}

/** What the store says, joined with what was heard since it was asked. */
export function fetched(own: OwnConversation, before?: Entry): Entry {
  const { last_read_seq, unread: _, mentions, ...stored } = own;
  const lastSeq = Math.max(own.last_seq, before?.lastSeq ?? 0);
  return {
    stored: before ? newer(before.stored, stored) : stored,
    lastSeq,
    lastMessageAt: later(own.last_message_at ?? own.created_at, before?.lastMessageAt ?? ""),
    readSeq: Math.max(last_read_seq, before?.readSeq ?? 0),
    last: before?.last ?? null,
    counted: mentions,
    countedFrom: last_read_seq,
    countedTo: own.last_seq,
    mentionedAt: new Set([...(before?.mentionedAt ?? [])].filter((seq) => seq > own.last_seq)),
  };
}

/** A message of it was sent, or is as it is now. */
export function heard(entry: Entry, message: Message, me: string): Entry {
  const { seq } = message;
  const last = entry.last;
  const isLast = !last || seq > last.seq || (seq === last.seq && message.revision > last.revision);
  const mentions = message.mentions_all || message.mentions.includes(me);
  const mentioned = mentions && message.sender_id !== me && seq > entry.countedTo && !entry.mentionedAt.has(seq);
  if (!isLast && !mentioned && seq <= entry.lastSeq) return entry;
  return {
    ...entry,
    lastSeq: Math.max(entry.lastSeq, seq),
    lastMessageAt: later(entry.lastMessageAt, message.created_at),
    last: isLast ? message : last,
    mentionedAt: mentioned ? new Set(entry.mentionedAt).add(seq) : entry.mentionedAt,
  };
}

/** The person has read up to there, on any of their devices. A mark never moves back. */
export function read(entry: Entry, seq: number): Entry {
  return seq > entry.readSeq ? { ...entry, readSeq: seq } : entry;
}

/** Its name, members or the like changed. */
export function changed(entry: Entry, stored: StoredConversation): Entry {
  return { ...entry, stored: newer(entry.stored, stored), lastSeq: Math.max(entry.lastSeq, stored.last_seq) };
}

/** Whether the store must be asked how many mentions are left: some of those it counted were read. */
export function miscounted(entry: Entry): boolean {
  return entry.counted > 0 && entry.readSeq > entry.countedFrom && entry.readSeq < entry.countedTo;
}

/** What screens see of it. */
export function conversationOf(entry: Entry): Conversation {
  const { stored, lastSeq, readSeq, countedFrom, countedTo } = entry;
  const from = Math.max(readSeq, stored.first_seq - 1);
  const unread = Math.max(0, lastSeq - from);
  const counted = readSeq > countedFrom && readSeq >= countedTo ? 0 : entry.counted;
  const since = [...entry.mentionedAt].filter((seq) => seq > readSeq).length;
  return {
    ...stored,
    last_seq: lastSeq,
    last_message_at: stored.last_message_at || entry.last ? entry.lastMessageAt : null,
    last_read_seq: readSeq,
    unread,
    mentions: Math.min(unread, counted + since),
    last: entry.last,
  };
}

/** Whoever was written in last comes first. */
export function byActivity(a: Conversation, b: Conversation): number {
  const [left, right] = [a.last_message_at ?? a.created_at, b.last_message_at ?? b.created_at];
  if (left === right) return a.id < b.id ? -1 : 1;
  return left < right ? 1 : -1;
}

function newer(a: StoredConversation, b: StoredConversation): StoredConversation {
  return b.updated_at >= a.updated_at ? b : a;
}

/** The later of two times in one format. */
function later(a: string, b: string): string {
  return a > b ? a : b;
}

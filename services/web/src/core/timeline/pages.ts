/** Reads pages of a conversation or a thread; what they give is in order of `seq`. */

import { type Api, ok } from "@/api/client";
import type { Message, Place } from "../types";
import { held, type Known } from "./held";

export interface Page {
  readonly messages: readonly Known[];
  /** Whether there are more in the direction that was read. */
  readonly more: boolean;
}

/** One of both, or neither for the newest. */
export interface Bound {
  readonly before_seq?: number;
  readonly after_seq?: number;
}

export async function readPage(
  api: Api,
  { conversationId, threadRoot }: Place,
  bound: Bound,
  limit: number,
): Promise<Page> {
  const query = { ...bound, limit, ...(threadRoot ? { thread_root: threadRoot } : {}) };
  const params = { path: { conversation_id: conversationId }, query };
  const page = await ok(api.GET("/api/v1/conversations/{conversation_id}/messages", { params }));
  const messages = page.items.map(held);
  return { messages: bound.after_seq === undefined ? messages.reverse() : messages, more: page.has_more };
}

export function readMessage(api: Api, id: string): Promise<Message> {
  return ok(api.GET("/api/v1/messages/{message_id}", { params: { path: { message_id: id } } }));
}

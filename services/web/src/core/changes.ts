/** Changes of messages that are sent. */

import { type Api, ok } from "@/api/client";
import type { components } from "@/api/schema";
import type { Message } from "./types";

/** All reject with Problems. What was changed is shown when the server has it. */
export interface MessageActions {
  edit(id: string, body: string): Promise<void>;
  remove(id: string): Promise<void>;
  /** `emoji` is one emoji or a short code such as `:tada:`. */
  react(id: string, emoji: string): Promise<void>;
  unreact(id: string, emoji: string): Promise<void>;
  pin(message: Message): Promise<void>;
  unpin(message: Message): Promise<void>;
  /** To be told of replies, or no more. */
  follow(id: string): Promise<void>;
  unfollow(id: string): Promise<void>;
  report(id: string, reason: components["schemas"]["CreateReport"]["reason"], comment?: string): Promise<void>;
}

/** `take` shows what the server answers with. */
export function messageActions(api: Api, take: (message: Message) => void): MessageActions {
  const of = (id: string) => ({ params: { path: { message_id: id } } });
  const reaction = (id: string, emoji: string) => ({ params: { path: { message_id: id, emoji } } });
  const pin = (message: Message) => ({
    params: { path: { conversation_id: message.conversation_id, message_id: message.id } },
  });
  return {
    edit: async (id, body) => take(await ok(api.PATCH("/api/v1/messages/{message_id}", { ...of(id), body: { body } }))),
    remove: async (id) => take(await ok(api.DELETE("/api/v1/messages/{message_id}", of(id)))),
    react: async (id, emoji) =>
      void (await api.PUT("/api/v1/messages/{message_id}/reactions/{emoji}", reaction(id, emoji))),
    unreact: async (id, emoji) =>
      void (await api.DELETE("/api/v1/messages/{message_id}/reactions/{emoji}", reaction(id, emoji))),
    pin: async (message) =>
      void (await api.PUT("/api/v1/conversations/{conversation_id}/pins/{message_id}", pin(message))),
    unpin: async (message) =>
      void (await api.DELETE("/api/v1/conversations/{conversation_id}/pins/{message_id}", pin(message))),
    follow: async (id) => void (await api.PUT("/api/v1/messages/{message_id}/follow", of(id))),
    unfollow: async (id) => void (await api.DELETE("/api/v1/messages/{message_id}/follow", of(id))),
    report: async (id, reason, comment = "") =>
      void (await api.POST("/api/v1/messages/{message_id}/reports", { ...of(id), body: { reason, comment } })),
  };
}

"use client";

import { useStore } from "zustand";
import { useShallow } from "zustand/react/shallow";
import type { ConversationActions } from "../conversations";
import type { Conversation, NotificationPreferences, Problem } from "../types";
import { useNotificationPreferences } from "./notifications";
import { useChat } from "./provider";

export interface ConversationList {
  /** `loading` until the first answer; `failed` when there was none, with why. It is tried again with each connection. */
  readonly status: "loading" | "ready" | "failed";
  readonly problem: Problem | null;
  /** Whoever was written in last comes first. A conversation that has not changed keeps its identity. */
  readonly items: readonly Conversation[];
}

/** All of the person's conversations. */
export function useConversations(): ConversationList {
  return useStore(
    useChat().conversations.store,
    useShallow(({ status, problem, sorted }) => ({ status, problem, items: sorted })),
  );
}

/** One conversation; undefined while it is not known, or not the person's. */
export function useConversation(id: string | null | undefined): Conversation | undefined {
  return useStore(useChat().conversations.store, (state) => (id ? state.byId.get(id) : undefined));
}

/** Over all conversations, for the title and the icon. What is set to `none` or muted is left out. */
export function useTotals(): { readonly unread: number; readonly mentions: number } {
  const { data: preferences } = useNotificationPreferences();
  return useStore(
    useChat().conversations.store,
    useShallow(({ sorted }) => totals(sorted.filter(({ id }) => !preferences || heeded(preferences, id)))),
  );
}

function totals(conversations: readonly Conversation[]): { unread: number; mentions: number } {
  const sum = { unread: 0, mentions: 0 };
  for (const { unread, mentions } of conversations) {
    sum.unread += unread;
    sum.mentions += mentions;
  }
  return sum;
}

function heeded({ default_level, conversations }: NotificationPreferences, id: string): boolean {
  const own = conversations?.[id];
  const muted = own?.muted_until && Date.parse(own.muted_until) > Date.now();
  return !muted && (own?.level ?? default_level) !== "none";
}

/** What can be done to conversations. All reject with Problems. */
export function useConversationActions(): ConversationActions {
  return useChat().conversations.actions;
}

/** Favourites of this device: the ids, and a switch. */
export function useFavourites(): { readonly ids: ReadonlySet<string>; toggle(id: string): void } {
  const { favourites } = useChat();
  const ids = useStore(favourites.store);
  return { ids, toggle: favourites.toggle };
}

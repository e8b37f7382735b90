"use client";

import { useEffect, useMemo } from "react";
import { useStore } from "zustand";
import { useShallow } from "zustand/react/shallow";
import type { MyPresence, Presence, PresenceSetting } from "../types";
import { useChat } from "./provider";

/** How a person appears, live for as long as something shows it; undefined until it is known. */
export function usePresence(userId: string | null | undefined): Presence | undefined {
  const { presence } = useChat();
  useEffect(() => (userId ? presence.watch(userId) : undefined), [presence, userId]);
  return useStore(presence.store, (state) => (userId ? state.people.get(userId) : undefined));
}

/** One's own status, null until it is known, and how to set it (as a whole; rejects with a Problem). */
export function useMyPresence(): {
  readonly presence: MyPresence | null;
  set(setting: PresenceSetting): Promise<void>;
} {
  const { presence } = useChat();
  const mine = useStore(presence.store, (state) => state.mine);
  return { presence: mine, set: presence.set };
}

/** Who else types in a conversation now. */
export function useTyping(conversationId: string): readonly string[] {
  const { typing } = useChat();
  return useStore(
    typing.store,
    useShallow((state) => state.get(conversationId) ?? []),
  );
}

/** Tells the others that one types: `typed` at each change of the text, `stopped` when it is sent or emptied. */
export function useTypingNotice(conversationId: string): { typed(): void; stopped(): void } {
  const { typing } = useChat();
  const notice = useMemo(
    () => ({ typed: () => typing.typed(conversationId), stopped: () => typing.stopped(conversationId) }),
    [typing, conversationId],
  );
  useEffect(() => () => notice.stopped(), [notice]);
  return notice;
}

"use client";

import { useEffect } from "react";
import { useStore } from "zustand";
import { useShallow } from "zustand/react/shallow";
import type { MessageActions } from "../changes";
import type { Message } from "../types";
import { useChat } from "./provider";

/** What can be done to messages that are sent. All reject with Problems; reactions show at once and are taken back then. */
export function useMessageActions(): MessageActions {
  return useChat().changes;
}

/** The other members who have read a message, kept live; whoever does not show it is left out. */
export function useSeenBy(message: Message): readonly string[] {
  const { reads } = useChat();
  useEffect(() => reads.watch(message.conversation_id), [reads, message.conversation_id]);
  return useStore(
    reads.store,
    useShallow((state) =>
      [...(state.get(message.conversation_id) ?? [])]
        .filter(([person, seq]) => seq >= message.seq && person !== message.sender_id)
        .map(([person]) => person),
    ),
  );
}

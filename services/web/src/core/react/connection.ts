"use client";

import { useStore } from "zustand";
import type { ConnectionState } from "../types";
import { useChat } from "./provider";

/** The connection, and how many messages wait to be sent. */
export function useConnection(): ConnectionState & { readonly waiting: number } {
  const chat = useChat();
  const state = useStore(chat.connection.store);
  const waiting = useStore(chat.outbox.store, (outbox) => outbox.entries.filter((e) => e.state !== "failed").length);
  return { ...state, waiting };
}

/** Tries to connect now instead of at `retryAt`. */
export function useRetryNow(): () => void {
  const { connection } = useChat();
  return connection.retryNow;
}

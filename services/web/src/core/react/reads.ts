"use client";

import { useEffect, useSyncExternalStore } from "react";
import { useChat } from "./provider";

/**
 * Marks a conversation as read up to `shownSeq`, the newest `seq` that is on the screen (`newestSeq` of the timeline when
 * its end is), while the page is visible and has the focus. Null marks nothing. A mark never moves back.
 */
export function useReadMark(conversationId: string, shownSeq: number | null): void {
  const { marks } = useChat();
  const looking = useSyncExternalStore(subscribeToAttention, hasAttention, () => false);
  useEffect(() => {
    if (looking && shownSeq) marks.mark(conversationId, shownSeq);
  }, [marks, conversationId, shownSeq, looking]);
}

function hasAttention(): boolean {
  return document.visibilityState === "visible" && document.hasFocus();
}

function subscribeToAttention(onChange: () => void): () => void {
  const abort = new AbortController();
  for (const name of ["focus", "blur"]) window.addEventListener(name, onChange, abort);
  document.addEventListener("visibilitychange", onChange, abort);
  return () => abort.abort();
}

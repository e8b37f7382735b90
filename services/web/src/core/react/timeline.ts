"use client";

import { useEffect, useMemo } from "react";
import { useStore } from "zustand";
import { useShallow } from "zustand/react/shallow";
import type { SendContent } from "../outbox";
import { placeKey } from "../places";
import { type TimelineActions, timelineOf } from "../timelines";
import type { Place, Timeline } from "../types";
import { useChat } from "./provider";

/** The timeline of a place, kept live and loaded while something shows it. It opens at the newest messages. */
export function useTimeline(place: Place): Timeline {
  const chat = useChat();
  const key = placeKey(place);
  const { conversationId, threadRoot = null } = place;
  useEffect(() => chat.timelines.open({ conversationId, threadRoot }), [chat, conversationId, threadRoot]);
  const view = useStore(chat.timelines.store, (state) => state.views.get(key));
  const outgoing = useStore(
    chat.outbox.store,
    useShallow((state) =>
      state.entries.filter((entry) => entry.conversation_id === conversationId && entry.thread_root === threadRoot),
    ),
  );
  const me = chat.me.id;
  return useMemo(() => timelineOf(view, outgoing, me), [view, outgoing, me]);
}

/** What can be done to a place's timeline. */
export function useTimelineActions(place: Place): TimelineActions {
  const { timelines } = useChat();
  const { conversationId, threadRoot = null } = place;
  return useMemo(() => timelines.actionsOf({ conversationId, threadRoot }), [timelines, conversationId, threadRoot]);
}

export interface Composer {
  /**
   * Shows a message at once and sends it when it can. Returns its `client_id`. Jump to the newest first where
   * `hasNewer`, else it is not seen. Clears the draft.
   */
  send(content: SendContent): string;
  /** Sends what was refused once more. */
  retry(clientId: string): void;
  /** Gives up what was refused, or has not been sent yet. */
  discard(clientId: string): void;
}

/** Sends messages to a place. */
export function useComposer(place: Place): Composer {
  const { outbox, drafts } = useChat();
  const { conversationId, threadRoot = null } = place;
  return useMemo(
    () => ({
      send(content) {
        drafts.set({ conversationId, threadRoot }, "");
        return outbox.add({ conversationId, threadRoot }, content);
      },
      retry: (clientId) => outbox.retry(clientId),
      discard: (clientId) => outbox.discard(clientId),
    }),
    [outbox, drafts, conversationId, threadRoot],
  );
}

/** The text begun in a place; kept over reloads and shared by the person's tabs. */
export function useDraft(place: Place): readonly [string, (text: string) => void] {
  const { drafts } = useChat();
  const { conversationId, threadRoot = null } = place;
  const text = useStore(drafts.store, (state) => state.get(placeKey(place)) ?? "");
  const set = useMemo(
    () => (next: string) => drafts.set({ conversationId, threadRoot }, next),
    [drafts, conversationId, threadRoot],
  );
  return [text, set];
}

/** Whether something is begun in a conversation itself, for the sidebar. */
export function useDrafted(conversationId: string): boolean {
  return useStore(useChat().drafts.store, (state) => state.has(placeKey({ conversationId })));
}

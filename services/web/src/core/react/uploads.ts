"use client";

import { useMemo } from "react";
import { useStore } from "zustand";
import { placeKey } from "../places";
import type { Place, Upload } from "../types";
import { useChat } from "./provider";

const NONE: readonly Upload[] = [];

export interface Uploads {
  /** In the order they were added. Those `done` are sent by their `file`. */
  readonly items: readonly Upload[];
  add(files: Iterable<File>): void;
  /** Stops one that is on its way, and takes it off the list. */
  remove(id: string): void;
  /** Goes on with one that failed, from where it stood. */
  retry(id: string): void;
  /** Takes all off the list after they were sent. */
  clear(): void;
}

/** Files for the next message of a place. They survive a change of screens, not a reload. */
export function useUploads(place: Place): Uploads {
  const { uploads } = useChat();
  const key = placeKey(place);
  const items = useStore(uploads.store, (state) => state.get(key) ?? NONE);
  const { conversationId, threadRoot = null } = place;
  const actions = useMemo(
    () => uploads.actionsOf({ conversationId, threadRoot }),
    [uploads, conversationId, threadRoot],
  );
  return { items, ...actions };
}

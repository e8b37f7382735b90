"use client";

import { create } from "zustand";
import type { Attachment, Message } from "@/core/types";

/** What can lie over the screen; one thing at a time. */
export type Overlay =
  | { kind: "switcher" }
  | { kind: "shortcuts" }
  | { kind: "status" }
  | { kind: "new-conversation"; type: "group" | "channel" }
  | { kind: "add-people"; conversationId: string }
  | { kind: "profile"; userId: string }
  | { kind: "report"; message: Message }
  | { kind: "history"; message: Message }
  | { kind: "seen"; message: Message }
  | { kind: "delete"; message: Message }
  | { kind: "pictures"; attachments: readonly Attachment[]; start: string };

export const useOverlay = create<{ overlay: Overlay | null }>(() => ({ overlay: null }));

export function openOverlay(overlay: Overlay): void {
  useOverlay.setState({ overlay });
}

export function closeOverlay(): void {
  useOverlay.setState({ overlay: null });
}

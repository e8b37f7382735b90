import type { ConversationNotifications } from "@/core/types";

/** Whether a conversation is to keep quiet at a moment (milliseconds since 1970). */
export function isMuted(choice: ConversationNotifications | undefined, now: number): boolean {
  if (!choice) return false;
  return choice.level === "none" || (choice.mutedUntil !== null && Date.parse(choice.mutedUntil) > now);
}

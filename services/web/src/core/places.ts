import type { Place } from "./types";

/** A place as a key of maps. */
export function placeKey({ conversationId, threadRoot }: Place): string {
  return threadRoot ? `${conversationId}/${threadRoot}` : conversationId;
}

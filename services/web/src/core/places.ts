import type { Place } from "./types";

/** A place as a key of maps. */
export function placeKey({ conversationId, threadRoot }: Place): string {
  return threadRoot ? `${conversationId}/${threadRoot}` : conversationId;
}

/** The conversation of a place's key. */
export function conversationOf(key: string): string {
  return key.split("/", 1)[0] ?? key;
}

import { ranked } from "../composer/completion";
import type { Emoji } from "./catalogue";

/** Offered first, at a message and in the picker. */
export const USUAL = ["👍", "❤️", "😂", "🎉", "👀", "✅"] as const;

const RECENT_KEY = "recent-emoji";
const RECENT_MAX = 24;

/** A reaction as the server knows it: without style selectors. */
export function asReaction(emoji: string): string {
  return emoji.replaceAll("\uFE0F", "");
}

export async function loadEmoji(): Promise<readonly Emoji[]> {
  return (await import("./catalogue")).EMOJI;
}

export function findEmoji(all: readonly Emoji[], query: string, limit: number): Emoji[] {
  return ranked(all, query, ({ names, words }) => [...names, ...words], limit);
}

/** What was used last on this device, the latest first. */
export function recentEmoji(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(RECENT_KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((item) => typeof item === "string") : [];
  } catch {
    return [];
  }
}

export function rememberEmoji(emoji: string): void {
  const kept = [emoji, ...recentEmoji().filter((other) => other !== emoji)].slice(0, RECENT_MAX);
  try {
    localStorage.setItem(RECENT_KEY, JSON.stringify(kept));
  } catch {
    // Storage may be full or forbidden; then nothing is remembered.
  }
}

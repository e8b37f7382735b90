/** A place in a text where something can be completed. */
export interface Trigger {
  kind: "person" | "channel" | "emoji";
  /** What stands between the sign and the caret. */
  query: string;
  /** Where the sign stands. */
  start: number;
}

const KINDS = { "@": "person", "#": "channel", ":": "emoji" } as const;
const BEFORE_CARET = /(?:^|[\s([{"'])([@#:])([\p{L}\p{N}._+-]*)$/u;

function inCode(text: string): boolean {
  const fences = text.match(/^\s*```/gm)?.length ?? 0;
  if (fences % 2 === 1) return true;
  const line = text.slice(text.lastIndexOf("\n") + 1);
  return (line.match(/`/g)?.length ?? 0) % 2 === 1;
}

/**
 * What can be completed at the caret: a sign at the beginning of a word, and what was typed since. An emoji needs two
 * letters, since a colon is mostly just a colon. Nothing in code.
 */
export function triggerAt(text: string, caret: number): Trigger | null {
  const before = text.slice(0, caret);
  const match = BEFORE_CARET.exec(before);
  if (!match || inCode(before)) return null;
  const [, sign, query] = match as unknown as [string, keyof typeof KINDS, string];
  const kind = KINDS[sign];
  if (kind === "emoji" && query.length < 2) return null;
  return { kind, query, start: caret - query.length - 1 };
}

/** The text with the completion in place of what was typed, a space after it, and where the caret goes. */
export function complete(text: string, caret: number, trigger: Trigger, by: string): { text: string; caret: number } {
  const after = text.slice(caret);
  const gap = after.startsWith(" ") ? "" : " ";
  const head = text.slice(0, trigger.start) + by;
  return { text: head + gap + after, caret: head.length + 1 };
}

function scoreOf(query: string, names: readonly string[]): number {
  let best = 0;
  for (const [place, name] of names.entries()) {
    const text = name.toLocaleLowerCase();
    if (text.startsWith(query)) best = Math.max(best, 8 - place);
    else if (text.split(/[\s._-]+/).some((word) => word.startsWith(query))) best = Math.max(best, 5 - place);
    else if (text.includes(query)) best = Math.max(best, 2);
  }
  return best;
}

/**
 * Those whose names fit the query, the best first: the beginning of the first name counts most, then of a word, then
 * anything within. Of equals the order given stays.
 */
export function ranked<Item>(
  items: readonly Item[],
  query: string,
  namesOf: (item: Item) => readonly string[],
  limit: number,
): Item[] {
  const wanted = query.toLocaleLowerCase();
  if (!wanted) return items.slice(0, limit);
  return items
    .map((item) => ({ item, score: scoreOf(wanted, namesOf(item)) }))
    .filter(({ score }) => score > 0)
    .sort((one, other) => other.score - one.score)
    .slice(0, limit)
    .map(({ item }) => item);
}

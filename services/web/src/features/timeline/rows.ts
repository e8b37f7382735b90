import type { TimelineItem } from "@/core/types";

/** A row of the timeline as it is drawn. `key` is the same for as long as the row means the same. */
export type Row =
  | { kind: "begin"; key: "begin" }
  | { kind: "day"; key: string; at: number }
  | { kind: "new"; key: "new" }
  | { kind: "item"; key: string; item: TimelineItem; leads: boolean };

/** Messages of one person within this time stand together under one name. */
export const GROUP_MS = 5 * 60_000;

/** When an item was written, in milliseconds since 1970. */
export function writtenAt(item: TimelineItem): number {
  return Date.parse(item.kind === "message" ? item.message.created_at : item.outgoing.created_at);
}

/** Its place in the conversation; null while it is on its way. */
export function seqOf(item: TimelineItem): number | null {
  return item.kind === "message" ? item.message.seq : null;
}

/** Who wrote it; null is oneself, whose messages on their way name nobody. */
function writerOf(item: TimelineItem): string | null {
  return item.kind === "message" && !item.own ? item.message.sender_id : null;
}

function isDeleted(item: TimelineItem): boolean {
  return item.kind === "message" && Boolean(item.message.deleted_at);
}

function continues(item: TimelineItem, before: TimelineItem): boolean {
  return (
    writerOf(item) === writerOf(before) &&
    isDeleted(item) === isDeleted(before) &&
    writtenAt(item) - writtenAt(before) < GROUP_MS
  );
}

/**
 * The rows for items in their order: the beginning of the conversation where it is loaded, a line before each new day,
 * one before the first message of others after `newAfter` (a `seq`; null: none), and who "leads", that is, shows name
 * and picture because the row above is somebody else's or old.
 */
export function rowsOf(
  items: readonly TimelineItem[],
  dayOf: (moment: number) => string,
  newAfter: number | null,
  begins: boolean,
): Row[] {
  const rows: Row[] = begins ? [{ kind: "begin", key: "begin" }] : [];
  let before: TimelineItem | undefined;
  let day = "";
  let marked = newAfter === null;
  for (const item of items) {
    let cut = before === undefined;
    const at = writtenAt(item);
    const today = dayOf(at);
    // A clock may have stood wrong: a day that was begun does not begin again.
    if (today > day) {
      rows.push({ kind: "day", key: `day-${today}`, at });
      day = today;
      cut = true;
    }
    if (!marked && (seqOf(item) ?? 0) > (newAfter as number) && writerOf(item) !== null) {
      rows.push({ kind: "new", key: "new" });
      marked = true;
      cut = true;
    }
    rows.push({ kind: "item", key: item.key, item, leads: cut || !before || !continues(item, before) });
    before = item;
  }
  return rows;
}

/** Where the row stands that shows `seq`, or the newest before it; -1 when there is none. */
export function indexOfSeq(rows: readonly Row[], seq: number): number {
  return rows.findLastIndex((row) => row.kind === "item" && (seqOf(row.item) ?? Number.POSITIVE_INFINITY) <= seq);
}

function itemKeys(rows: readonly Row[]): string[] {
  return rows.flatMap((row) => (row.kind === "item" ? [row.key] : []));
}

/** Whether the same items are there as before, with others in front of them, or with fewer. */
export function isFrontChanged(before: readonly Row[], rows: readonly Row[]): boolean {
  const [keys, keysBefore] = [itemKeys(rows), itemKeys(before)];
  const [first, firstBefore] = [keys[0], keysBefore[0]];
  if (first === undefined || firstBefore === undefined || first === firstBefore) return false;
  return keys.includes(firstBefore) || keysBefore.includes(first);
}

/**
 * The rows to draw between two others. A virtualizer keeps its place while one end changes; where a page comes at one
 * end and rows go at the other, this is the step in between that has both. Null: no such step is needed.
 */
export function bridge(before: readonly Row[], after: readonly Row[]): Row[] | null {
  if (!isFrontChanged(before, after)) return null;
  const had = new Set(itemKeys(before));
  const has = new Set(itemKeys(after));
  const tailOf = (rows: readonly Row[], shared: ReadonlySet<string>) =>
    rows.slice(rows.findLastIndex((row) => shared.has(row.key)) + 1);
  const gone = tailOf(before, has);
  if (gone.length > 0) return [...after, ...gone];
  const come = tailOf(after, had);
  return come.length > 0 ? [...before, ...come] : null;
}

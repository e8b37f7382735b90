/** What the rules below need to know of an entry of a timeline. */
export interface Entry {
  key: string;
  /** Null while it is on its way to the server. */
  seq: number | null;
  senderId: string;
  /** Milliseconds since 1970. */
  createdAt: number;
  deleted: boolean;
  threadRoot: string | null;
}

/** A row of the timeline as it is drawn. `key` is the same for as long as the row means the same. */
export type Row<E extends Entry> =
  | { kind: "day"; key: string; at: number }
  | { kind: "new"; key: string }
  | { kind: "entry"; key: string; entry: E; leads: boolean };

/** Messages of one person within this time stand together under one name. */
export const GROUP_MS = 5 * 60_000;

function continues(entry: Entry, before: Entry): boolean {
  return (
    entry.senderId === before.senderId &&
    entry.threadRoot === before.threadRoot &&
    entry.deleted === before.deleted &&
    entry.createdAt - before.createdAt < GROUP_MS
  );
}

/**
 * The rows for entries in their order: a line before each new day, one before the first message after `newAfter` (a
 * `seq`; null: none), and who "leads", that is, shows name and picture because the row above is somebody else's or old.
 */
export function rowsOf<E extends Entry>(
  entries: readonly E[],
  dayOf: (moment: number) => string,
  newAfter: number | null,
): Row<E>[] {
  const rows: Row<E>[] = [];
  let before: E | undefined;
  let day = "";
  let marked = newAfter === null;
  for (const entry of entries) {
    let cut = before === undefined;
    const today = dayOf(entry.createdAt);
    if (today !== day) {
      rows.push({ kind: "day", key: `day-${today}`, at: entry.createdAt });
      day = today;
      cut = true;
    }
    if (!marked && entry.seq !== null && entry.seq > (newAfter as number)) {
      rows.push({ kind: "new", key: "new" });
      marked = true;
      cut = true;
    }
    const leads = cut || before === undefined || !continues(entry, before);
    rows.push({ kind: "entry", key: entry.key, entry, leads });
    before = entry;
  }
  return rows;
}

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dayIn } from "@/features/timeline/days";
import { type Entry, GROUP_MS, rowsOf } from "@/features/timeline/rows";

const NOON = Date.UTC(2026, 10, 23, 12);
const utc = dayIn("UTC");

function entry(seq: number, over: Partial<Entry> = {}): Entry {
  return {
    key: `m${seq}`,
    seq,
    senderId: "ada",
    createdAt: NOON + seq * 1000,
    deleted: false,
    threadRoot: null,
    ...over,
  };
}

/** Rows as words: `day`, `new`, a leading entry as `*1`, another as `1`. */
function drawn(entries: Entry[], newAfter: number | null = null, dayOf = utc): string {
  return rowsOf(entries, dayOf, newAfter)
    .map((row) => (row.kind === "entry" ? `${row.leads ? "*" : ""}${row.entry.seq ?? "?"}` : row.kind))
    .join(" ");
}

describe("grouping", () => {
  it.each([
    ["one person in a row", [entry(1), entry(2), entry(3)], "day *1 2 3"],
    ["two people", [entry(1), entry(2, { senderId: "bob" }), entry(3)], "day *1 *2 *3"],
    ["just within the time", [entry(1), entry(2, { createdAt: NOON + 1000 + GROUP_MS - 1 })], "day *1 2"],
    ["just outside the time", [entry(1), entry(2, { createdAt: NOON + 1000 + GROUP_MS })], "day *1 *2"],
    ["a reply between", [entry(1), entry(2, { threadRoot: "r" }), entry(3)], "day *1 *2 *3"],
    ["replies to one thread", [entry(1, { threadRoot: "r" }), entry(2, { threadRoot: "r" })], "day *1 2"],
    ["a deleted one between", [entry(1), entry(2, { deleted: true }), entry(3)], "day *1 *2 *3"],
    ["one on its way", [entry(1), entry(2, { seq: null })], "day *1 ?"],
  ])("%s", (_, entries, expected) => {
    expect(drawn(entries)).toBe(expected);
  });
});

describe("separators", () => {
  it("begins each day in the reader's zone", () => {
    const late = entry(1, { createdAt: Date.UTC(2026, 10, 23, 22, 30) });
    const later = entry(2, { createdAt: Date.UTC(2026, 10, 23, 22, 31) });
    const next = entry(3, { createdAt: Date.UTC(2026, 10, 23, 23, 1) });
    expect(drawn([late, later, next])).toBe("day *1 2 *3");
    expect(drawn([late, later, next], null, dayIn("Europe/Berlin"))).toBe("day *1 2 day *3");
    expect(drawn([late, later, next], null, dayIn("Asia/Kolkata"))).toBe("day *1 2 *3");
  });

  it.each([
    [0, "day new *1 2 3"],
    [1, "day *1 new *2 3"],
    [3, "day *1 2 3"],
    [null, "day *1 2 3"],
  ])("what is new after %s", (newAfter, expected) => {
    expect(drawn([entry(1), entry(2), entry(3)], newAfter)).toBe(expected);
  });
});

it("draws each entry once, in order, below its day, whatever comes", () => {
  const entries = fc.array(
    fc.record({
      senderId: fc.constantFrom("ada", "bob"),
      gap: fc.nat(2 * 24 * 3600_000),
      deleted: fc.boolean(),
      threadRoot: fc.constantFrom(null, "r"),
    }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(entries, fc.option(fc.nat(40)), (raw, newAfter) => {
      let at = NOON;
      const made = raw.map(({ gap, ...rest }, index) => {
        at += gap;
        return entry(index + 1, { ...rest, createdAt: at });
      });
      const rows = rowsOf(made, utc, newAfter);
      expect(rows.flatMap((row) => (row.kind === "entry" ? [row.entry] : []))).toEqual(made);
      expect(new Set(rows.map((row) => row.key)).size).toBe(rows.length);
      let day = "";
      rows.forEach((row, index) => {
        if (row.kind === "day") day = utc(row.at);
        if (row.kind !== "entry") return;
        expect(utc(row.entry.createdAt)).toBe(day);
        if (rows[index - 1]?.kind !== "entry") expect(row.leads).toBe(true);
      });
    }),
  );
});

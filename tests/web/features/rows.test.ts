import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Message, Outgoing, TimelineItem } from "@/core/types";
import { dayIn } from "@/features/timeline/days";
import { bridge, GROUP_MS, indexOfSeq, isFrontChanged, rowsOf } from "@/features/timeline/rows";

const NOON = Date.UTC(2026, 10, 23, 12);
const ME = "me";
const utc = dayIn("UTC");

interface Said {
  by?: string;
  at?: number;
  deleted?: boolean;
}

/** A message with this `seq`; a second after the one before unless it says when. */
function message(seq: number, { by = "ada", at = NOON + seq * 1000, deleted = false }: Said = {}): TimelineItem {
  const created_at = new Date(at).toISOString();
  const value = { id: `m${seq}`, seq, sender_id: by, created_at, deleted_at: deleted ? created_at : null };
  return { kind: "message", key: `m${seq}`, message: value as unknown as Message, own: by === ME };
}

function outgoing(key: string, at: number): TimelineItem {
  return { kind: "outgoing", key, outgoing: { created_at: new Date(at).toISOString() } as Outgoing };
}

/** Rows as words: `day`, `new`, an item that leads as `*m1`, another as `m1`. */
function drawn(items: TimelineItem[], newAfter: number | null = null, dayOf = utc): string {
  return rowsOf(items, dayOf, newAfter, false)
    .map((row) => (row.kind === "item" ? `${row.leads ? "*" : ""}${row.key}` : row.kind))
    .join(" ");
}

describe("grouping", () => {
  it.each([
    ["one person in a row", [message(1), message(2), message(3)], "day *m1 m2 m3"],
    ["two people", [message(1), message(2, { by: "bob" }), message(3)], "day *m1 *m2 *m3"],
    ["just within the time", [message(1), message(2, { at: NOON + 1000 + GROUP_MS - 1 })], "day *m1 m2"],
    ["just outside the time", [message(1), message(2, { at: NOON + 1000 + GROUP_MS })], "day *m1 *m2"],
    ["a deleted one between", [message(1), message(2, { deleted: true }), message(3)], "day *m1 *m2 *m3"],
    ["one's own on its way", [message(1, { by: ME }), outgoing("out", NOON + 2000)], "day *m1 out"],
    ["one's own after another's", [message(1), outgoing("out", NOON + 2000)], "day *m1 *out"],
  ])("%s", (_, items, expected) => {
    expect(drawn(items)).toBe(expected);
  });
});

describe("separators", () => {
  it("begin each day in the reader's zone", () => {
    const items = [
      message(1, { at: Date.UTC(2026, 10, 23, 22, 30) }),
      message(2, { at: Date.UTC(2026, 10, 23, 22, 31) }),
      message(3, { at: Date.UTC(2026, 10, 23, 23, 1) }),
    ];
    expect(drawn(items)).toBe("day *m1 m2 *m3");
    expect(drawn(items, null, dayIn("Europe/Berlin"))).toBe("day *m1 m2 day *m3");
    expect(drawn(items, null, dayIn("Asia/Kolkata"))).toBe("day *m1 m2 *m3");
  });

  it("begin no day twice where a clock stood wrong", () => {
    const day = 24 * 3600_000;
    expect(drawn([message(1, { at: NOON + day }), message(2, { at: NOON }), message(3, { at: NOON + day })])).toBe(
      "day *m1 m2 *m3",
    );
  });

  it.each([
    [0, "day new *m1 m2 m3"],
    [1, "day *m1 new *m2 m3"],
    [3, "day *m1 m2 m3"],
    [null, "day *m1 m2 m3"],
  ])("what is new after %s", (newAfter, expected) => {
    expect(drawn([message(1), message(2), message(3)], newAfter)).toBe(expected);
  });

  it("one's own messages are not new to oneself", () => {
    expect(drawn([message(1), message(2, { by: ME }), message(3)], 1)).toBe("day *m1 *m2 new *m3");
  });

  it("the beginning stands first, where it is loaded", () => {
    expect(rowsOf([message(1)], utc, null, true)[0]?.kind).toBe("begin");
    expect(rowsOf([], utc, null, true)).toHaveLength(1);
  });
});

describe("places", () => {
  const rows = rowsOf([message(3), message(5), outgoing("out", NOON + 9000)], utc, null, false);

  it.each([
    [3, 1],
    [4, 1],
    [5, 2],
    [9, 2],
    [2, -1],
  ])("the row for seq %s", (seq, index) => {
    expect(indexOfSeq(rows, seq)).toBe(index);
  });

  const of = (...seqs: number[]) =>
    rowsOf(
      seqs.map((seq) => message(seq)),
      utc,
      null,
      false,
    );
  const items = (drawn: { kind: string; key: string }[] | null) =>
    drawn?.filter((row) => row.kind === "item").map((row) => row.key) ?? null;

  it.each([
    ["older in front", of(3, 4), of(1, 2, 3, 4), true],
    ["fewer in front", of(1, 2, 3), of(3, 4), true],
    ["newer behind", of(3, 4), of(3, 4, 5), false],
    ["other ones", of(3, 4), of(8, 9), false],
    ["the first", of(), of(1), false],
  ])("the front has changed: %s", (_, before, after, changed) => {
    expect(isFrontChanged(before, after)).toBe(changed);
  });

  it.each([
    ["a page in front, rows gone behind", of(3, 4, 5), of(1, 2, 3), ["m1", "m2", "m3", "m4", "m5"]],
    ["a page behind, rows gone in front", of(1, 2, 3), of(3, 4, 5), ["m1", "m2", "m3", "m4", "m5"]],
    ["a page in front alone", of(3, 4), of(1, 2, 3, 4), null],
    ["rows gone in front alone", of(1, 2, 3), of(2, 3), null],
    ["a page behind alone", of(3, 4), of(3, 4, 5), null],
    ["a jump", of(3, 4), of(8, 9), null],
  ])("one end changes at a time: %s", (_, before, after, between) => {
    expect(items(bridge(before, after))).toEqual(between);
  });
});

it("draws each item once, in order, with keys of its own, whatever comes", () => {
  const said = fc.array(
    fc.record({
      by: fc.constantFrom("ada", "bob", ME),
      gap: fc.integer({ min: -3600_000, max: 2 * 24 * 3600_000 }),
      deleted: fc.boolean(),
    }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(said, fc.option(fc.nat(40)), (raw, newAfter) => {
      let at = NOON;
      const items = raw.map(({ gap, ...rest }, index) => {
        at += gap;
        return message(index + 1, { ...rest, at });
      });
      const rows = rowsOf(items, utc, newAfter, true);
      expect(rows.flatMap((row) => (row.kind === "item" ? [row.item] : []))).toEqual(items);
      expect(new Set(rows.map((row) => row.key)).size).toBe(rows.length);
      rows.forEach((row, index) => {
        if (row.kind === "item" && rows[index - 1]?.kind !== "item") expect(row.leads).toBe(true);
      });
    }),
  );
});

import fc from "fast-check";
import { expect, it } from "vitest";
import { filtersOf, formOf, searchPath } from "@/features/search/filters";

const EMPTY = { query: "", conversationId: "", from: "", after: "", before: "", hasFile: false };

it("an address holds a search and gives it back", () => {
  const day = fc.constantFrom("", "2026-11-23", "2024-02-29");
  const form = fc.record({
    query: fc.string().map((text) => text.trim()),
    conversationId: fc.constantFrom("", "a b", "1"),
    from: fc.constantFrom("", "x&y"),
    after: day,
    before: day,
    hasFile: fc.boolean(),
  });
  fc.assert(
    fc.property(form, (one) => {
      expect(formOf(new URL(searchPath(one), "https://chat.example.com").searchParams)).toEqual(one);
    }),
  );
});

it("what is no day is left out", () => {
  expect(formOf(new URLSearchParams("after=yesterday&before=2026-1-1"))).toEqual(EMPTY);
});

it("days are asked for whole, as they are here", () => {
  const { after, before } = filtersOf({ ...EMPTY, after: "2026-11-23", before: "2026-11-23" });
  expect(new Date(after ?? "").toString()).toContain("Nov 23 2026 00:00:00");
  expect(Date.parse(before ?? "") - Date.parse(after ?? "")).toBe(24 * 3600_000);
});

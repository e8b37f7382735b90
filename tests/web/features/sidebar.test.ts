import { describe, expect, it } from "vitest";
import type { Conversation } from "@/core/types";
import { inOrder, neighbourOf, sectionsOf } from "@/features/shell/sections";

const made = (id: string, type: Conversation["type"], over: Partial<Conversation> = {}) =>
  ({ id, type, name: id, unread: 0, ...over }) as Conversation;

const all = [
  made("zoo", "channel"),
  made("ada", "direct", { unread: 2 }),
  made("lunch", "group"),
  made("art", "channel", { unread: 1 }),
  made("bob", "direct"),
];

const names = (favourites: string[]) =>
  sectionsOf(all, new Set(favourites)).map(({ name, items }) => `${name}: ${items.map((item) => item.id).join(" ")}`);

describe("sections", () => {
  it("keep channels by name, and people as they were written to", () => {
    expect(names([])).toEqual(["channels: art zoo", "groups: lunch", "direct: ada bob"]);
  });

  it("put favourites first, and leave out what is empty", () => {
    expect(names(["bob", "lunch"])).toEqual(["favourites: lunch bob", "channels: art zoo", "direct: ada"]);
  });
});

describe("neighbours", () => {
  const list = inOrder(sectionsOf(all, new Set()));

  it.each([
    ["art", 1, false, "zoo"],
    ["art", -1, false, "bob"],
    ["bob", 1, false, "art"],
    [null, 1, false, "art"],
    [null, -1, false, "bob"],
    ["art", 1, true, "ada"],
    ["ada", 1, true, "art"],
    ["zoo", -1, true, "art"],
  ] as const)("from %s by %s (unread: %s) to %s", (from, step, unread, to) => {
    expect(neighbourOf(list, from, step, unread)?.id).toBe(to);
  });

  it("are nobody where there is no other", () => {
    expect(neighbourOf([made("art", "channel")], "art", 1, false)).toBeUndefined();
    expect(neighbourOf([], null, 1, false)).toBeUndefined();
    expect(neighbourOf([made("bob", "direct")], null, 1, true)).toBeUndefined();
  });
});

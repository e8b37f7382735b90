import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  changed,
  conversationOf,
  type Entry,
  fetched,
  heard,
  miscounted,
  type OwnConversation,
  read,
} from "@/core/conversation";
import { CONVERSATION, message } from "./store";

const ME = "me";

function own(changes: Partial<OwnConversation> = {}): OwnConversation {
  return {
    id: CONVERSATION,
    type: "group",
    name: "Group",
    topic: null,
    visibility: "private",
    posting: "members",
    retention_days: null,
    members: [],
    pins: [],
    created_by: "ada",
    created_at: "2026-01-01T00:00:00.000Z",
    updated_at: "2026-01-01T00:00:00.000Z",
    first_seq: 1,
    last_seq: 0,
    last_message_at: null,
    last_read_seq: 0,
    unread: 0,
    mentions: 0,
    ...changes,
  };
}

describe("a conversation", () => {
  test("counts what was not read, and mentions among it", () => {
    let entry = fetched(own({ last_seq: 5, last_read_seq: 3, mentions: 1 }));
    entry = heard(entry, message(6), ME);
    entry = heard(entry, message(7, { mentions: [ME] }), ME);
    expect(conversationOf(entry)).toMatchObject({ unread: 4, mentions: 2, last_seq: 7 });
    entry = read(entry, 7);
    expect(conversationOf(entry)).toMatchObject({ unread: 0, mentions: 0, last_read_seq: 7 });
  });

  test("does not count what was removed for its age", () => {
    expect(conversationOf(fetched(own({ first_seq: 8, last_seq: 10, last_read_seq: 2 }))).unread).toBe(3);
  });

  test("does not count one's own mention of everybody", () => {
    const entry = heard(fetched(own()), message(1, { sender_id: ME, mentions_all: true }), ME);
    expect(conversationOf(entry).mentions).toBe(0);
  });

  test("asks the store when some of the mentions that it counted were read", () => {
    const entry = fetched(own({ last_seq: 10, last_read_seq: 2, mentions: 3 }));
    expect(miscounted(entry)).toBe(false);
    expect(miscounted(read(entry, 5))).toBe(true);
    expect(miscounted(read(entry, 10))).toBe(false);
  });

  test("keeps the newer of two versions of its name", () => {
    const entry = fetched(own({ name: "New", updated_at: "2026-01-02T00:00:00.000Z" }));
    const { last_read_seq: _read, unread: _unread, mentions: _mentions, ...stored } = own({ name: "Old" });
    expect(conversationOf(changed(entry, stored)).name).toBe("New");
  });

  test("is the same whatever order messages and marks come in, and however often", () => {
    type Step = (entry: Entry) => Entry;
    const hear = fc.record({ seq: fc.integer({ min: 1, max: 12 }), mentioned: fc.boolean() });
    const mark = fc.integer({ min: 1, max: 12 });
    const steps = fc.uniqueArray(hear, { selector: ({ seq }) => seq, maxLength: 8 }).chain((messages) =>
      fc.array(mark, { maxLength: 4 }).map((marks): Step[] => [
        ...messages.map(
          ({ seq, mentioned }): Step =>
            (entry) =>
              heard(entry, message(seq, { mentions: mentioned ? [ME] : [] }), ME),
        ),
        ...marks.map(
          (seq): Step =>
            (entry) =>
              read(entry, seq),
        ),
      ]),
    );
    const orders = steps.chain((all) =>
      fc.tuple(
        fc.constant(all),
        fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2, maxLength: all.length * 2 }),
      ),
    );
    fc.assert(
      fc.property(orders, ([inOrder, shuffled]) => {
        const run = (them: readonly Step[]) =>
          conversationOf(them.reduce((entry, step) => step(entry), fetched(own())));
        expect(run(shuffled)).toEqual(run(inOrder));
      }),
    );
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Held, held, heldReactions, join } from "@/core/timeline/held";
import { message, Store } from "./store";

type Step = { readonly edit: string } | { readonly reaction: string } | "delete";

const steps = fc.array(
  fc.oneof(
    fc.record({ edit: fc.string({ maxLength: 3 }) }),
    fc.record({ reaction: fc.constantFrom("👍", "🎉") }),
    fc.constant<Step>("delete"),
  ),
  { maxLength: 8 },
);

/** All that is told of one message to which that happens, and how it ends. */
function history(happened: readonly Step[]): { told: Held[]; end: ReturnType<typeof message> } {
  const store = new Store();
  store.send();
  happened.forEach((step, at) => {
    if (step === "delete") store.delete(1);
    else if ("edit" in step) store.edit(1, step.edit);
    else store.react(1, { [step.reaction]: [`person-${at}`] });
  });
  const told = store.told.map((event) =>
    event.kind === "message" ? held(event.message) : heldReactions(event.change),
  );
  return { told, end: store.messages[0] as ReturnType<typeof message> };
}

const histories = steps.map(history);

describe("versions of a message", () => {
  test("are the last one, in whatever order and however often they come", () => {
    const shuffled = histories.chain(({ told, end }) =>
      fc.tuple(
        fc.shuffledSubarray([...told, ...told], { minLength: told.length * 2, maxLength: told.length * 2 }),
        fc.constant(end),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([told, end]) => {
        expect(told.reduce(join).message).toEqual(end);
      }),
    );
  });

  test("give the same however they are grouped", () => {
    const three = histories.chain(({ told }) => {
      const one = fc.constantFrom(...told);
      return fc.tuple(one, one, one);
    });
    fc.assert(
      fc.property(three, ([a, b, c]) => {
        expect(join(join(a, b), c)).toEqual(join(a, join(b, c)));
      }),
    );
  });

  test("that bring nothing new leave what was there as it is", () => {
    const known = held(message(1, { revision: 2 }));
    expect(join(known, held(message(1, { revision: 1, body: "earlier" })))).toBe(known);
    expect(join(known, known)).toBe(known);
  });

  test("of an edit that comes after later reactions bring its text and keep the reactions", () => {
    const first = held(message(1));
    const reacted = heldReactions({
      message_id: "message-1",
      conversation_id: "conversation",
      seq: 1,
      reactions: { "👍": ["bob"] },
      revision: 2,
    });
    const edited = held(message(1, { body: "edited", revision: 1 }));
    expect([first, reacted, edited].reduce(join).message).toMatchObject({
      body: "edited",
      reactions: { "👍": ["bob"] },
      revision: 2,
    });
  });
});

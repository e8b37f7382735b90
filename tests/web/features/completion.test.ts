import { describe, expect, it } from "vitest";
import { complete, ranked, triggerAt } from "@/features/composer/completion";

/** A text whose caret stands at `|`. */
function at(marked: string) {
  const caret = marked.indexOf("|");
  return { text: marked.replace("|", ""), caret };
}

describe("triggerAt", () => {
  it.each([
    ["@|", "person", ""],
    ["hello @ad|", "person", "ad"],
    ["(@ad|)", "person", "ad"],
    ["one\n#gen|", "channel", "gen"],
    ["fine :th|", "emoji", "th"],
    [":+1|", "emoji", "+1"],
    ["مرحبا @سل|", "person", "سل"],
    ["`done` @a|", "person", "a"],
  ])("%s", (marked, kind, query) => {
    const { text, caret } = at(marked);
    expect(triggerAt(text, caret)).toMatchObject({ kind, query });
  });

  it.each(["ada@example|", "12:30|", "so:|", ":t|", "@ad a|", "`@ad|", "```\n@ad|", "http://x#frag|"])(
    "nothing at %s",
    (marked) => {
      const { text, caret } = at(marked);
      expect(triggerAt(text, caret)).toBeNull();
    },
  );
});

describe("complete", () => {
  it.each([
    ["hello @ad|", "hello @ada |"],
    ["@ad| there", "@ada| there"],
    ["@ad|,", "@ada |,"],
  ])("%s", (before, after) => {
    const { text, caret } = at(before);
    const trigger = triggerAt(text, caret);
    if (!trigger) throw new Error("no trigger");
    const done = complete(text, caret, trigger, "@ada");
    const expected = at(after);
    expect(done.text).toBe(expected.text);
    expect(done.text.slice(0, trigger.start + 4)).toContain("@ada");
  });
});

describe("ranked", () => {
  const people = [
    ["marta", "Ada Marta"],
    ["ada", "Ada Lovelace"],
    ["bob", "Bob Adams"],
    ["nada", "Nada"],
  ];
  const names = (person: string[]) => person;

  it("puts the beginning of the name first, then of a word, then what is within", () => {
    expect(ranked(people, "ada", names, 9).map(([name]) => name)).toEqual(["ada", "marta", "bob", "nada"]);
  });

  it("heeds no case and no more than the limit", () => {
    expect(ranked(people, "ADA", names, 2)).toHaveLength(2);
  });

  it("leaves all in their order without a query", () => {
    expect(ranked(people, "", names, 9)).toEqual(people);
  });
});

import fc from "fast-check";
import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import { DrawNameContext, Markdown } from "@/features/markdown/markdown";
import { isFewEmoji, parseMarkdown, piecesOf, plainText, safeAddress } from "@/features/markdown/parse";

const html = (text: string) => renderToStaticMarkup(<Markdown text={text} />);

describe("raw HTML", () => {
  it.each(["<script>alert(1)</script>", "a <b onclick=x>b</b>", "<img src=x onerror=alert(1)>", "<!-- c -->"])(
    "%s is shown as it was typed",
    (text) => {
      expect(html(text)).not.toMatch(/<(script|b|img|!--)/);
      expect(plainText(text)).toBe(text);
    },
  );

  it("never comes out of any text", () => {
    const nasty = fc.array(
      fc.constantFrom(
        "<",
        ">",
        "script",
        "img",
        " onerror=",
        '"',
        "`",
        "[",
        "]",
        "(",
        ")",
        "javascript:",
        "\n",
        "*",
        "~~",
        "|",
        "-",
        "&lt;",
        "a",
      ),
      { maxLength: 30 },
    );
    const known = /^<\/?(div|p|em|strong|del|code|pre|br|blockquote|ol|ul|li|hr|a|table|tbody|tr|td)\b/;
    const kinds = (node: { type: string; children?: { type: string }[] }): string[] => [
      node.type,
      ...(node.children ?? []).flatMap(kinds),
    ];
    fc.assert(
      fc.property(nasty, (parts) => {
        const text = parts.join("");
        expect(kinds(parseMarkdown(text))).not.toContain("html");
        const out = html(text);
        for (const tag of out.match(/<[^>]*>/g) ?? []) {
          expect(tag).toMatch(known);
          expect(tag).not.toMatch(/ on[a-z]+=|javascript:/i);
        }
      }),
    );
  });
});

describe("links", () => {
  it.each([
    ["https://example.org/a?b=c#d", true],
    ["http://example.org", true],
    ["mailto:ada@example.org", true],
    ["javascript:alert(1)", false],
    ["data:text/html,x", false],
    ["//example.org", false],
    ["/c/1", false],
  ])("%s", (address, safe) => {
    expect(safeAddress(address) !== null).toBe(safe);
    expect(html(`[there](${address})`).includes("<a ")).toBe(safe);
  });

  it("open elsewhere, and tell nothing", () => {
    expect(html("https://example.org")).toMatch(
      /rel="noopener noreferrer nofollow".*target="_blank"|target="_blank".*rel="noopener noreferrer nofollow"/,
    );
  });

  it("stand for pictures", () => {
    expect(html("![cat](https://example.org/cat.png)")).not.toContain("<img");
    expect(html("![cat](https://example.org/cat.png)")).toContain(">cat</a>");
  });
});

describe("text", () => {
  it.each([
    ["**a** _b_ ~~c~~ `d`", ["<strong", "<em>", "<del>", "<code"]],
    ["one\ntwo", ["one<br/>two"]],
    ["> said\n\n- a\n- b\n\n3. c", ["<blockquote", "<ul", '<ol start="3"']],
    ["```js\n<b>\n```", ["<pre", "&lt;b&gt;"]],
    ["|a|b|\n|-|-|\n|1|2|", ["<table", "<td>1</td>"]],
    ["    four spaces", ["<p>four spaces</p>"]],
  ])("%s", (text, parts) => {
    const out = html(text);
    for (const part of parts) expect(out).toContain(part);
  });

  it("draws names as whoever shows it wants, but not in code", () => {
    const out = renderToStaticMarkup(
      <DrawNameContext value={(piece) => (piece.name === "ada" ? <mark>{piece.text}</mark> : null)}>
        <Markdown text="@ada and @bob, `@ada`" />
      </DrawNameContext>,
    );
    expect(out).toContain("<mark>@ada</mark> and @bob");
    expect(out.match(/<mark>/g)).toHaveLength(1);
  });
});

it.each([
  ["hi @ada.", ["hi ", "@ada", "."]],
  ["a@b.c", ["a@b.c"]],
  ["#general-talk!", ["#general-talk", "!"]],
  ["(@a_b-c)", ["(", "@a_b-c", ")"]],
])("pieces of %s", (text, expected) => {
  expect(piecesOf(text).map((piece) => piece.text)).toEqual(expected);
});

it.each([
  ["🎉", true],
  ["👩‍💻 👍🏽", true],
  ["🇩🇪", true],
  ["❤️", true],
  ["1", false],
  ["🎉 yes", false],
  ["", false],
])("few emoji: %s", (text, expected) => {
  expect(isFewEmoji(text)).toBe(expected);
});

import type { Root } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmAutolinkLiteralFromMarkdown } from "mdast-util-gfm-autolink-literal";
import { gfmStrikethroughFromMarkdown } from "mdast-util-gfm-strikethrough";
import { gfmTableFromMarkdown } from "mdast-util-gfm-table";
import { gfmAutolinkLiteral } from "micromark-extension-gfm-autolink-literal";
import { gfmStrikethrough } from "micromark-extension-gfm-strikethrough";
import { gfmTable } from "micromark-extension-gfm-table";

/* HTML is text here. Link definitions and indented code surprise people who paste, and gain nothing in a chat. */
const chat = { disable: { null: ["htmlFlow", "htmlText", "definition", "codeIndented", "setextUnderline"] } };

const extensions = [gfmAutolinkLiteral(), gfmStrikethrough(), gfmTable(), chat];
const mdastExtensions = [gfmAutolinkLiteralFromMarkdown(), gfmStrikethroughFromMarkdown(), gfmTableFromMarkdown()];

/** A message's text as a tree. There are no `html` nodes in it, whatever the text holds. */
export function parseMarkdown(text: string): Root {
  return fromMarkdown(text, { extensions, mdastExtensions });
}

/** The address if it is one that a chat may lead to, else null: no `javascript:`, no `data:`. */
export function safeAddress(address: string): string | null {
  try {
    const { protocol } = new URL(address);
    return ["http:", "https:", "mailto:"].includes(protocol) ? address : null;
  } catch {
    return null;
  }
}

/** Pieces of plain text: words, and names after `@` or `#` at the beginning of a word. */
export type Piece = { kind: "text"; text: string } | { kind: "person" | "channel"; text: string; name: string };

const NAMES = /(?<![\p{L}\p{N}_/])([@#])([\p{L}\p{N}](?:[\p{L}\p{N}._-]*[\p{L}\p{N}_-])?)/gu;

export function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(NAMES)) {
    if (match.index > end) pieces.push({ kind: "text", text: text.slice(end, match.index) });
    const [whole, sign, name] = match as unknown as [string, string, string];
    pieces.push({ kind: sign === "@" ? "person" : "channel", text: whole, name });
    end = match.index + whole.length;
  }
  if (end < text.length) pieces.push({ kind: "text", text: text.slice(end) });
  return pieces;
}

const EMOJI_ONLY =
  /^(?:\s*(?:\p{RI}{2}|\p{Emoji_Presentation}|\p{Extended_Pictographic})(?:\uFE0F|\u200D|\p{EMod})*)+\s*$/u;

/** Whether a text is nothing but a few emoji, which are then drawn large. */
export function isFewEmoji(text: string): boolean {
  return text.length <= 40 && EMOJI_ONLY.test(text);
}

/** The text without its signs, in one line: for previews and titles. */
export function plainText(text: string): string {
  const words: string[] = [];
  const visit = (node: { value?: string; children?: readonly unknown[] }) => {
    if (node.value) words.push(node.value);
    for (const child of node.children ?? []) visit(child as typeof node);
    if (node.children) words.push(" ");
  };
  visit(parseMarkdown(text));
  return words.join("").replace(/\s+/g, " ").trim();
}

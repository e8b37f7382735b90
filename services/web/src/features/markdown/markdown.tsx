"use client";

import type { Nodes } from "mdast";
import { createContext, Fragment, memo, type ReactNode, use, useMemo } from "react";
import { isFewEmoji, type Piece, parseMarkdown, piecesOf, safeAddress } from "./parse";

/** How names in a text are drawn; null leaves them as text. Whoever shows messages knows who is meant. */
export type DrawName = (piece: Exclude<Piece, { kind: "text" }>) => ReactNode | null;

export const DrawNameContext = createContext<DrawName>(() => null);

function withBreaks(text: string): ReactNode[] {
  // A new line typed is a new line shown: people write in a chat as in a letter.
  const [first = "", ...rest] = text.split("\n");
  // biome-ignore lint/suspicious/noArrayIndexKey: lines of one text have nothing else, and never move.
  return [first, ...rest.flatMap((line, index) => [<br key={index} />, line])];
}

function Text({ value }: { value: string }) {
  const drawName = use(DrawNameContext);
  return piecesOf(value).map((piece, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: pieces of one text have nothing else, and never move.
    <Fragment key={index}>{piece.kind === "text" ? withBreaks(piece.text) : (drawName(piece) ?? piece.text)}</Fragment>
  ));
}

function Link({ url, children }: { url: string; children: ReactNode }) {
  const address = safeAddress(url);
  if (!address) return children;
  return (
    <a
      href={address}
      target="_blank"
      rel="noopener noreferrer nofollow"
      className="break-words text-accent underline decoration-1"
    >
      {children}
    </a>
  );
}

function children(node: { children: readonly Nodes[] }): ReactNode {
  // biome-ignore lint/suspicious/noArrayIndexKey: nodes of a parsed text have nothing else, and never move.
  return node.children.map((child, index) => <Node key={index} node={child} />);
}

function Node({ node }: { node: Nodes }): ReactNode {
  switch (node.type) {
    case "text":
      return <Text value={node.value} />;
    case "paragraph":
      return <p>{children(node)}</p>;
    case "emphasis":
      return <em>{children(node)}</em>;
    case "strong":
      return <strong className="font-semibold">{children(node)}</strong>;
    case "delete":
      return <del>{children(node)}</del>;
    case "inlineCode":
      return (
        <code dir="ltr" className="rounded-sm bg-hover px-1 py-px font-mono text-[0.9em]">
          {node.value}
        </code>
      );
    case "code":
      return (
        <pre
          dir="ltr"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
          tabIndex={0}
          className="max-w-full overflow-x-auto rounded-md border border-line bg-surface px-3 py-2 font-mono text-sm"
        >
          <code>{node.value}</code>
        </pre>
      );
    case "break":
      return <br />;
    case "blockquote":
      return <blockquote className="border-line border-s-3 ps-3 text-text-2">{children(node)}</blockquote>;
    case "heading":
      return <p className="font-semibold">{children(node)}</p>;
    case "list":
      return node.ordered ? (
        <ol start={node.start ?? 1} className="list-decimal ps-7">
          {children(node)}
        </ol>
      ) : (
        <ul className="list-disc ps-6">{children(node)}</ul>
      );
    case "listItem":
      return <li>{children(node)}</li>;
    case "thematicBreak":
      return <hr className="my-1 border-line" />;
    case "link":
      return <Link url={node.url}>{children(node)}</Link>;
    case "image":
      // A picture from elsewhere would tell its server who reads, and when.
      return <Link url={node.url}>{node.alt || node.url}</Link>;
    case "table":
      return (
        <div className="max-w-full overflow-x-auto">
          <table className="border-collapse text-sm [&_:is(td,th)]:border [&_:is(td,th)]:border-line [&_:is(td,th)]:px-2 [&_:is(td,th)]:py-1 [&_tr:first-child]:font-semibold">
            <tbody>{children(node)}</tbody>
          </table>
        </div>
      );
    case "tableRow":
      return <tr>{children(node)}</tr>;
    case "tableCell":
      return <td>{children(node)}</td>;
    default:
      return "value" in node ? node.value : "children" in node ? children(node) : null;
  }
}

/** A message's text, drawn from its tree as React elements. */
export const Markdown = memo(function Markdown({ text }: { text: string }) {
  const tree = useMemo(() => parseMarkdown(text), [text]);
  return (
    <div dir="auto" className={`prose-chat w-fit ${isFewEmoji(text) ? "text-[1.75rem] leading-10" : ""}`}>
      {children(tree)}
    </div>
  );
});

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const css = readFileSync(new URL("../../../services/web/src/app/globals.css", import.meta.url), "utf8");

type Tokens = Record<string, [string, string]>;

/** The tokens of a block as [light, dark]. */
function tokensOf(block: string): Tokens {
  const pairs = block.matchAll(/--([\w-]+):\s*light-dark\((#\w{6}),\s*(#\w{6})\)/g);
  return Object.fromEntries([...pairs].map(([, name, light, dark]) => [name, [light, dark] as [string, string]]));
}

const root = css.slice(css.indexOf(":root {"), css.indexOf('[data-theme="light"]'));
const sharper = root.indexOf("@variant");
const normal: Tokens = { ...tokensOf(root.slice(0, sharper)), "on-accent": ["#ffffff", "#ffffff"] };
const more: Tokens = { ...normal, ...tokensOf(root.slice(sharper)) };

/** Relative luminance, as WCAG 2 has it. */
function luminance(colour: string): number {
  const channels = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255);
  const [red = 0, green = 0, blue = 0] = channels.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

const GROUNDS = ["canvas", "surface", "raised", "hover"];
const PAIRS: [string, string[]][] = [
  ["text", [...GROUNDS, "pressed", "accent-soft", "mention-soft", "danger-soft", "warn-soft"]],
  ["text-2", [...GROUNDS, "pressed", "accent-soft", "mention-soft", "warn-soft"]],
  ["text-3", [...GROUNDS, "accent-soft", "mention-soft"]],
  ["accent", [...GROUNDS, "accent-soft", "mention-soft"]],
  ["mention-text", ["canvas", "mention-soft"]],
  ["danger", [...GROUNDS, "danger-soft"]],
  ["warn", ["canvas", "warn-soft"]],
  ["on-accent", ["accent-fill", "accent-fill-hover", "danger-fill", "mention"]],
];

describe.each([
  ["normal", normal, 4.5],
  ["more contrast", more, 4.5],
] as const)("%s", (_, tokens, least) => {
  const cases = PAIRS.flatMap(([text, grounds]) => grounds.map((ground) => [text, ground] as const));
  it.each(cases)("%s can be read on %s", (text, ground) => {
    for (const theme of [0, 1]) {
      const pair = [tokens[text]?.[theme] ?? "", tokens[ground]?.[theme] ?? ""] as const;
      expect(contrast(...pair), `${theme ? "dark" : "light"}: ${pair.join(" on ")}`).toBeGreaterThanOrEqual(least);
    }
  });

  it.each(GROUNDS.slice(0, 3))("the edge of a control can be seen on %s", (ground) => {
    for (const theme of [0, 1]) {
      expect(contrast(tokens["line-strong"]?.[theme] ?? "", tokens[ground]?.[theme] ?? "")).toBeGreaterThanOrEqual(3);
    }
  });
});

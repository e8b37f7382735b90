import { readdirSync, readFileSync } from "node:fs";
import { type MessageFormatElement, parse, TYPE } from "@formatjs/icu-messageformat-parser";
import { describe, expect, it } from "vitest";
import { directionOf, LOCALES, type Locale, negotiate } from "@/i18n/locales";

const FOLDER = new URL("../../../services/web/messages/", import.meta.url);

function flat(tree: object, path = ""): [string, string][] {
  return Object.entries(tree).flatMap(([key, value]) =>
    typeof value === "string" ? [[path + key, value] as [string, string]] : flat(value, `${path}${key}.`),
  );
}

const catalogues = Object.fromEntries(
  (Object.keys(LOCALES) as Locale[]).map((locale) => [
    locale,
    new Map(flat(JSON.parse(readFileSync(new URL(`${locale}.json`, FOLDER), "utf8")))),
  ]),
) as Record<Locale, Map<string, string>>;

/** The arguments of a message with their kinds; tags too. */
function argumentsOf(elements: readonly MessageFormatElement[]): string[] {
  const names = new Set<string>();
  const visit = (element: MessageFormatElement) => {
    if (element.type === TYPE.literal || element.type === TYPE.pound) return;
    names.add(element.type === TYPE.tag ? `<${element.value}>` : element.value);
    if (element.type === TYPE.tag) element.children.forEach(visit);
    if (element.type === TYPE.select || element.type === TYPE.plural) {
      for (const option of Object.values(element.options)) option.value.forEach(visit);
    }
  };
  elements.forEach(visit);
  return [...names].sort();
}

function pluralsOf(elements: readonly MessageFormatElement[]): { options: string[]; kind: Intl.PluralRuleType }[] {
  return elements.flatMap((element) => {
    if (element.type === TYPE.tag) return pluralsOf(element.children);
    if (element.type !== TYPE.select && element.type !== TYPE.plural) return [];
    const within = Object.values(element.options).flatMap((option) => pluralsOf(option.value));
    if (element.type === TYPE.select) return within;
    return [{ options: Object.keys(element.options), kind: element.pluralType ?? "cardinal" }, ...within];
  });
}

it("has a file for each language and no other", () => {
  const files = readdirSync(FOLDER).map((name) => name.replace(".json", ""));
  expect(files.sort()).toEqual(Object.keys(LOCALES).sort());
});

describe.each(Object.keys(LOCALES) as Locale[])("%s", (locale) => {
  const messages = catalogues[locale];

  it("holds what English holds", () => {
    expect([...messages.keys()]).toEqual([...catalogues.en.keys()]);
  });

  it.each([...messages])("%s can be read, with the arguments of English", (key, text) => {
    expect(text.trim()).not.toBe("");
    expect(argumentsOf(parse(text))).toEqual(argumentsOf(parse(catalogues.en.get(key) ?? "")));
  });

  it.each([...messages].filter(([, text]) => text.includes("plural,")))(
    "%s has every plural of the language",
    (_, text) => {
      for (const { options, kind } of pluralsOf(parse(text))) {
        const needed = new Intl.PluralRules(locale, { type: kind }).resolvedOptions().pluralCategories;
        const exact = { one: "=1", two: "=2", zero: "=0" } as Record<string, string>;
        for (const category of needed) {
          expect(options.some((option) => option === category || option === exact[category])).toBe(true);
        }
      }
    },
  );
});

it.each([
  [null, "en"],
  ["de-AT,de;q=0.9,en;q=0.8", "de"],
  ["fr, ar;q=0.5, en;q=0.4", "ar"],
  ["en;q=0.3, de;q=0.7", "de"],
  ["*", "en"],
  ["de;q=0", "en"],
] as const)("asked for %s it speaks %s", (header, locale) => {
  expect(negotiate(header)).toBe(locale);
});

it("reads Arabic from the right", () => {
  expect(directionOf("ar")).toBe("rtl");
  expect(directionOf("de")).toBe("ltr");
});

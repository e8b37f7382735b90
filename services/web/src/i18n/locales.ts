/** The languages there are, each named in itself. */
export const LOCALES = { en: "English", de: "Deutsch", ar: "العربية" } as const;

export type Locale = keyof typeof LOCALES;

export const DEFAULT_LOCALE: Locale = "en";

/** The cookie that holds the reader's choice; without it the browser's languages count. */
export const LOCALE_COOKIE = "locale";

export function isLocale(text: string | undefined): text is Locale {
  return text !== undefined && Object.hasOwn(LOCALES, text);
}

export function directionOf(locale: Locale): "ltr" | "rtl" {
  return locale === "ar" ? "rtl" : "ltr";
}

/**
 * The best of our languages for an `Accept-Language` header: the one with the highest weight, the first of equals.
 * `de-AT` is served by `de`.
 */
export function negotiate(header: string | null | undefined): Locale {
  const wishes = (header ?? "").split(",").map((part) => {
    const [tag = "", ...parameters] = part.trim().split(";");
    const weight = parameters.map((text) => /^\s*q=([\d.]+)/.exec(text)?.[1]).find(Boolean);
    return { language: tag.toLowerCase().split("-")[0], weight: weight === undefined ? 1 : Number(weight) };
  });
  let best: { locale: Locale; weight: number } | undefined;
  for (const { language, weight } of wishes) {
    if (isLocale(language) && weight > (best?.weight ?? 0)) best = { locale: language, weight };
  }
  return best?.locale ?? DEFAULT_LOCALE;
}

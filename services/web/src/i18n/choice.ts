import { LOCALE_COOKIE, type Locale } from "./locales";

const YEAR_SECONDS = 365 * 24 * 3600;

/** Keeps a choice of this browser where the server sees it before the first byte: no flash of another look. Without a
 * value the choice is forgotten. */
export function keepChoice(name: string, value: string | undefined): void {
  const age = value === undefined ? 0 : YEAR_SECONDS;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not in every browser yet.
  document.cookie = `${name}=${value ?? ""}; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
}

/** Chooses a language. The caller refreshes the page's data, which brings the messages. */
export function chooseLocale(locale: Locale): void {
  keepChoice(LOCALE_COOKIE, locale);
}

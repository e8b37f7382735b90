import { cookies, headers } from "next/headers";
import type { Messages } from "use-intl";
import { isLocale, LOCALE_COOKIE, type Locale, negotiate } from "./locales";

const CATALOGUES: Record<Locale, () => Promise<{ default: unknown }>> = {
  en: () => import("../../messages/en.json"),
  de: () => import("../../messages/de.json"),
  ar: () => import("../../messages/ar.json"),
};

/** The reader's language: chosen, else what the browser asks for. */
export async function requestLocale(): Promise<Locale> {
  const chosen = (await cookies()).get(LOCALE_COOKIE)?.value;
  return isLocale(chosen) ? chosen : negotiate((await headers()).get("accept-language"));
}

/** Everything the client says, in one language. A test makes sure that all of them hold the same messages. */
export async function messagesOf(locale: Locale): Promise<Messages> {
  return (await CATALOGUES[locale]()).default as Messages;
}

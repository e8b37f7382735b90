"use client";

import { type ReactNode, useSyncExternalStore } from "react";
import { IntlProvider, type Messages } from "use-intl";
import type { Locale } from "./locales";

const never = () => () => {};
const readersZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Gives messages, numbers and times in the reader's language and time zone. The server does not know the zone, so it
 * renders no times. */
export function I18nProvider(props: { locale: Locale; messages: Messages; children: ReactNode }) {
  const timeZone = useSyncExternalStore(never, readersZone, () => "UTC");
  return (
    <IntlProvider locale={props.locale} messages={props.messages} timeZone={timeZone}>
      {props.children}
    </IntlProvider>
  );
}

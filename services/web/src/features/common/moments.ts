"use client";

import { useMemo } from "react";
import { useFormatter, useTimeZone, useTranslations } from "use-intl";
import { dayIn } from "../timeline/days";

const DAY_MS = 24 * 3600_000;

/** Times in the reader's language and zone. Moments are milliseconds since 1970, or RFC 3339. */
export function useMoments() {
  const t = useTranslations("timeline");
  const format = useFormatter();
  const timeZone = useTimeZone() ?? "UTC";
  return useMemo(() => {
    const dayOf = dayIn(timeZone);
    const msOf = (moment: number | string) => (typeof moment === "number" ? moment : Date.parse(moment));
    return {
      /** 10:32 */
      clock: (moment: number | string) => format.dateTime(msOf(moment), { hour: "numeric", minute: "2-digit" }),
      /** Monday 23 November 2026 at 10:32 */
      full: (moment: number | string) => format.dateTime(msOf(moment), { dateStyle: "full", timeStyle: "short" }),
      /** 23 Nov 2026, 10:32 */
      short: (moment: number | string) => format.dateTime(msOf(moment), { dateStyle: "medium", timeStyle: "short" }),
      /** 23 November 2026 */
      date: (moment: number | string) => format.dateTime(msOf(moment), { dateStyle: "long" }),
      /** 5 minutes ago */
      ago: (moment: number | string) => format.relativeTime(msOf(moment), Date.now()),
      /** Today, yesterday, or the date with its weekday. */
      dayTitle: (moment: number) => {
        const now = Date.now();
        if (dayOf(moment) === dayOf(now)) return t("today");
        if (dayOf(moment) === dayOf(now - DAY_MS)) return t("yesterday");
        const year = now - moment > 300 * DAY_MS ? ({ year: "numeric" } as const) : {};
        return format.dateTime(moment, { weekday: "long", day: "numeric", month: "long", ...year });
      },
    };
  }, [t, format, timeZone]);
}

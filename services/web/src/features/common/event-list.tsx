"use client";

import type { ReactNode } from "react";
import { useTranslations } from "use-intl";
import { useMoments } from "./moments";

export interface EventLine {
  id: string;
  at: string;
  what: string;
  who: ReactNode;
  details: string;
}

/** Things that happened, the latest first. */
export function EventList({ events, withWho = false }: { events: readonly EventLine[]; withWho?: boolean }) {
  const t = useTranslations("admin");
  const { short } = useMoments();
  if (events.length === 0) return <p className="py-6 text-center text-text-3">{t("noEvents")}</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
    <section aria-label={t("what")} tabIndex={0} className="overflow-x-auto">
      <table className="w-full text-sm">
        <thead className="text-text-3">
          <tr className="[&>th]:py-1.5 [&>th]:pe-4 [&>th]:text-start [&>th]:font-medium">
            <th scope="col">{t("when")}</th>
            <th scope="col">{t("what")}</th>
            {withWho && <th scope="col">{t("who")}</th>}
          </tr>
        </thead>
        <tbody className="divide-y divide-line border-line border-y">
          {events.map((event) => (
            <tr key={event.id} className="align-top [&>td]:py-2 [&>td]:pe-4">
              <td className="whitespace-nowrap text-text-2">
                <time dateTime={event.at}>{short(event.at)}</time>
              </td>
              <td>
                {event.what}
                {event.details && <span className="block break-all text-text-3">{event.details}</span>}
              </td>
              {withWho && <td>{event.who}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

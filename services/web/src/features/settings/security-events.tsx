"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import { useTranslations } from "use-intl";
import { ok } from "@/api/client";
import { useApi } from "@/core/react";
import { SkeletonRows } from "@/ui/skeleton";
import { cursorPages } from "../common/cursor-pages";
import { EventList } from "../common/event-list";
import { Failed } from "../common/failed";
import { LoadMore } from "../common/load-more";
import { deviceName } from "./device-name";

/** What happened to the reader's account. */
export function SecurityEvents() {
  const t = useTranslations("event");
  const common = useTranslations("common");
  const api = useApi();
  const events = useInfiniteQuery({
    queryKey: ["security-events"],
    ...cursorPages(20, (page, signal) =>
      ok(api.GET("/api/v1/users/me/security-events", { params: { query: page }, signal })),
    ),
  });
  if (events.isPending) return <SkeletonRows rows={3} label={common("loading")} />;
  if (events.error) return <Failed error={events.error} onRetry={events.refetch} />;
  return (
    <>
      <EventList
        events={events.data.pages
          .flatMap((page) => page.items)
          .map((event) => ({
            id: event.id,
            at: event.at,
            what: t(event.kind),
            who: null,
            details: [deviceName(event.user_agent), event.address].filter(Boolean).join(" · "),
          }))}
      />
      <LoadMore {...events} />
    </>
  );
}

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
import { PersonName } from "../people/person-name";

/** What moderators did, for administrators. */
export function ModerationAudit() {
  const t = useTranslations("event");
  const common = useTranslations("common");
  const api = useApi();
  const audit = useInfiniteQuery({
    queryKey: ["moderation-audit"],
    ...cursorPages(50, (page, signal) => ok(api.GET("/api/v1/moderation/audit", { params: { query: page }, signal }))),
  });
  if (audit.isPending) return <SkeletonRows label={common("loading")} />;
  if (audit.error) return <Failed error={audit.error} onRetry={audit.refetch} />;
  return (
    <>
      <EventList
        withWho
        events={audit.data.pages
          .flatMap((page) => page.items)
          .map((entry) => ({
            id: entry.id,
            at: entry.at,
            what: t(entry.action),
            who: <PersonName id={entry.actor_id} />,
            details: entry.message_id,
          }))}
      />
      <LoadMore {...audit} />
    </>
  );
}

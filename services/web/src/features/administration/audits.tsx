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

const LIMIT = 50;

/** What happened to everybody's accounts. */
export function AdminEvents() {
  const t = useTranslations("event");
  const common = useTranslations("common");
  const api = useApi();
  const events = useInfiniteQuery({
    queryKey: ["admin-audit"],
    ...cursorPages(LIMIT, (page, signal) => ok(api.GET("/api/v1/admin/audit", { params: { query: page }, signal }))),
  });
  if (events.isPending) return <SkeletonRows label={common("loading")} />;
  if (events.error) return <Failed error={events.error} onRetry={events.refetch} />;
  return (
    <>
      <EventList
        withWho
        events={events.data.pages
          .flatMap((page) => page.items)
          .map((event) => ({
            id: event.id,
            at: event.at,
            what: t(event.kind),
            who: event.user_id ? <PersonName id={event.user_id} /> : null,
            details: event.address,
          }))}
      />
      <LoadMore {...events} />
    </>
  );
}

/** What administrators and moderators called, and what became of API tokens. */
export function AdminCalls() {
  const t = useTranslations("event");
  const common = useTranslations("common");
  const api = useApi();
  const calls = useInfiniteQuery({
    queryKey: ["admin-requests"],
    ...cursorPages(LIMIT, (page, signal) => ok(api.GET("/api/v1/admin/requests", { params: { query: page }, signal }))),
  });
  if (calls.isPending) return <SkeletonRows label={common("loading")} />;
  if (calls.error) return <Failed error={calls.error} onRetry={calls.refetch} />;
  return (
    <>
      <EventList
        withWho
        events={calls.data.pages
          .flatMap((page) => page.items)
          .map((call) => ({
            id: call.id,
            at: call.at,
            what: t(call.event),
            who: <PersonName id={call.user_id} />,
            details: `${call.method} ${call.path} ${call.status} · ${call.address}`,
          }))}
      />
      <LoadMore {...calls} />
    </>
  );
}

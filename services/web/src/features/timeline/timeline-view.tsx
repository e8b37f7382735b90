"use client";

import { ArrowDown, MessageCircleWarning } from "lucide-react";
import { type ReactNode, type Ref, useEffect, useImperativeHandle, useMemo, useRef, useState } from "react";
import { useTimeZone, useTranslations } from "use-intl";
import { Virtualizer, type VirtualizerHandle } from "virtua";
import { useConversation, useReadMark, useTimeline, useTimelineActions } from "@/core/react";
import type { Place } from "@/core/types";
import { Button } from "@/ui/button";
import { EmptyState } from "@/ui/empty-state";
import { useProblemText } from "../common/problem-text";
import { Arrivals } from "./arrivals";
import { dayIn } from "./days";
import { DayLine, NewLine } from "./lines";
import { MessageRow } from "./message-row";
import { type Row, rowsOf } from "./rows";
import { TimelineSkeleton } from "./timeline-skeleton";
import { UnreadBar } from "./unread-bar";
import { useFollow } from "./use-follow";
import { useRowKeys } from "./use-row-keys";
import { useSteadyRows } from "./use-steady-rows";

export interface TimelineViewHandle {
  /** Begins to edit the reader's newest message; false when none is loaded. */
  editLast: () => boolean;
}

/**
 * The messages of a place, however many: only those near the view are in the document. Rows come and go as one scrolls,
 * so new messages are told to assistive technology by a log of their own.
 */
export function TimelineView(props: { ref?: Ref<TimelineViewHandle>; place: Place; label: string; begin: ReactNode }) {
  const { place } = props;
  const t = useTranslations("timeline");
  const common = useTranslations("common");
  const problemText = useProblemText();
  const timeZone = useTimeZone() ?? "UTC";
  const timeline = useTimeline(place);
  const actions = useTimelineActions(place);
  const conversation = useConversation(place.conversationId);
  const [editing, setEditing] = useState<string | null>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useRef<VirtualizerHandle>(null);

  const isThread = Boolean(place.threadRoot);
  const { status, items, hasOlder, hasNewer, readWhenOpened } = timeline;
  const dayOf = useMemo(() => dayIn(timeZone), [timeZone]);
  const begins = status === "ready" && !hasOlder;
  const wanted = useMemo(
    () => rowsOf(items, dayOf, isThread ? null : readWhenOpened, begins),
    [items, dayOf, isThread, readWhenOpened, begins],
  );
  const rows = useSteadyRows(wanted);
  const fetch = useMemo(
    () => ({ older: () => void actions.loadOlder(), newer: () => void actions.loadNewer() }),
    [actions],
  );
  const follow = useFollow(timeline, rows, scroller, virtualizer, fetch);
  const { atEnd } = follow;
  useEffect(() => actions.follow(atEnd), [actions, atEnd]);
  const keys = useRowKeys(rows, virtualizer, scroller, setEditing);
  const reading = !isThread && status === "ready" && follow.atEnd && !hasNewer;
  useReadMark(place.conversationId, reading ? timeline.newestSeq : null);

  useImperativeHandle(props.ref, () => ({
    editLast() {
      const last = items.findLast((item) => item.kind === "message" && item.own && !item.message.deleted_at);
      if (last) setEditing(last.key);
      return last !== undefined;
    },
  }));

  if (status === "failed") {
    return (
      <div className="flex min-h-0 flex-1 flex-col justify-center">
        <EmptyState icon={MessageCircleWarning} title={t("failedTitle")} text={problemText(timeline.problem)}>
          <Button onClick={() => void actions.reload()}>{common("retry")}</Button>
        </EmptyState>
      </div>
    );
  }

  const draw = (row: Row) => {
    switch (row.kind) {
      case "begin":
        return props.begin;
      case "day":
        return <DayLine at={row.at} />;
      case "new":
        return <NewLine />;
      case "item":
        return (
          <MessageRow
            item={row.item}
            leads={row.leads}
            inThread={isThread}
            editing={editing === row.key}
            onEdit={setEditing}
            pointedOut={follow.pointedOut?.key === row.key ? follow.pointedOut.turn : null}
            focusable={keys.active === row.key}
            onFocus={keys.onFocus}
          />
        );
    }
  };
  const activeIndex = rows.findIndex((row) => row.key === keys.active);

  return (
    <div className="relative flex min-h-0 flex-1 flex-col">
      {!isThread && conversation && (
        <UnreadBar conversation={conversation} timeline={timeline} actions={actions} atEnd={follow.atEnd} />
      )}
      <section
        ref={scroller}
        aria-label={props.label}
        data-region
        onScroll={follow.onScroll}
        onKeyDown={keys.onKeyDown}
        className="relative flex min-h-0 flex-1 flex-col overflow-y-auto overflow-x-hidden [overflow-anchor:none]"
      >
        <div className="grow" />
        {status === "loading" ? (
          <TimelineSkeleton />
        ) : (
          <Virtualizer
            ref={virtualizer}
            scrollRef={scroller}
            shift={follow.shift}
            bufferSize={600}
            keepMounted={activeIndex < 0 ? [] : [activeIndex]}
          >
            {rows.map((row) => (
              <div key={row.key}>{draw(row)}</div>
            ))}
          </Virtualizer>
        )}
        <div className="h-3 shrink-0" />
      </section>
      <Arrivals items={items} />
      {status === "ready" && (!follow.atEnd || hasNewer) && (
        <ToLatest count={isThread ? 0 : (conversation?.unread ?? 0)} onClick={() => void actions.jumpToNewest()} />
      )}
    </div>
  );
}

function ToLatest({ count, onClick }: { count: number; onClick: () => void }) {
  const t = useTranslations("timeline");
  return (
    <div className="pointer-events-none absolute inset-x-0 bottom-3 flex justify-center">
      <Button size="sm" className="pointer-events-auto animate-appear rounded-full! shadow-lift" onClick={onClick}>
        <ArrowDown aria-hidden className="size-4" />
        {t("toLatest", { count })}
      </Button>
    </div>
  );
}

"use client";

import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { VirtualizerHandle } from "virtua";
import type { Timeline } from "@/core/types";
import { indexOfSeq, isFrontChanged, type Row } from "./rows";

/** So near to an end, in pixels, that the reader is at it. */
const AT_END_PX = 48;
/** So near to an end that the next page is fetched. */
const FETCH_PX = 900;

export interface Follow {
  /** Whether the newest row is in view. */
  atEnd: boolean;
  /** Whether rows came in front of the others; the virtualizer keeps the place then. */
  shift: boolean;
  /** The row to point out after a jump; changes with each jump. */
  pointedOut: { key: string; turn: number } | null;
  onScroll: () => void;
}

/**
 * Where a timeline stands: it stays at the end while the reader is there, keeps its place while older messages come,
 * fetches the next page before an end is reached, and goes where a jump asks.
 */
export function useFollow(
  timeline: Timeline,
  rows: readonly Row[],
  scroller: RefObject<HTMLElement | null>,
  virtualizer: RefObject<VirtualizerHandle | null>,
  fetch: { older: () => void; newer: () => void },
): Follow {
  const [atEnd, setAtEnd] = useState(true);
  const [pointedOut, setPointedOut] = useState<Follow["pointedOut"]>(null);
  const end = useRef(true);
  const drawn = useRef<readonly Row[]>([]);
  const turn = useRef<number | null>(null);
  const shift = isFrontChanged(drawn.current, rows);
  const { status, hasOlder, hasNewer, loadingOlder, loadingNewer, focus } = timeline;

  const toEnd = useCallback(() => {
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  }, [scroller]);

  const look = useCallback(() => {
    const element = scroller.current;
    if (!element || status !== "ready") return;
    const below = element.scrollHeight - element.clientHeight - element.scrollTop;
    end.current = below <= AT_END_PX && !hasNewer;
    setAtEnd(end.current);
    if (element.scrollTop < FETCH_PX && hasOlder && !loadingOlder) fetch.older();
    else if (below < FETCH_PX && hasNewer && !loadingNewer) fetch.newer();
  }, [scroller, status, hasOlder, hasNewer, loadingOlder, loadingNewer, fetch]);

  useLayoutEffect(() => {
    const grown = rows !== drawn.current;
    drawn.current = rows;
    if (status !== "ready") return;
    if (focus && focus.turn !== turn.current) {
      turn.current = focus.turn;
      const index = focus.seq === null ? rows.length - 1 : indexOfSeq(rows, focus.seq);
      const row = rows[Math.max(index, 0)];
      // The line that says what is new is seen as well.
      const start = rows[index - 1]?.kind === "new" ? index - 1 : Math.max(index, 0);
      end.current = focus.seq === null;
      if (focus.seq === null) virtualizer.current?.scrollToIndex(rows.length - 1, { align: "end" });
      else if (focus.reason === "unread") virtualizer.current?.scrollToIndex(start, { align: "start" });
      else virtualizer.current?.scrollToIndex(Math.max(index, 0), { align: "center" });
      if (row && focus.reason === "message") setPointedOut({ key: row.key, turn: focus.turn });
      return;
    }
    if (grown && end.current && !hasNewer) virtualizer.current?.scrollToIndex(rows.length - 1, { align: "end" });
  }, [rows, status, focus, hasNewer, virtualizer]);

  // Pictures that load, a keyboard that opens, a composer that grows: the end stays in view.
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const sizes = new ResizeObserver(() => {
      if (end.current) toEnd();
      look();
    });
    sizes.observe(element);
    for (const child of element.children) sizes.observe(child);
    return () => sizes.disconnect();
  }, [scroller, toEnd, look]);

  return { atEnd, shift, pointedOut, onScroll: look };
}

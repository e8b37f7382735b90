/**
 * The part of a timeline that is loaded: messages in order of `seq` and without a gap. It grows at both ends by pages
 * and at its newest end by what arrives; beyond `MOST` it lets go of what is far away. Pure.
 */

import { type Held, join, type Known } from "./held";

/** Messages in a window at most. */
export const MOST = 400;

export interface Window {
  readonly entries: readonly Known[];
  /** Whether there are older ones than these. */
  readonly older: boolean;
  /** Whether there are newer ones than these: what arrives is then not part of it. */
  readonly newer: boolean;
}

export const EMPTY: Window = { entries: [], older: false, newer: false };

export function newestSeq({ entries }: Window): number {
  return entries.at(-1)?.seq ?? 0;
}

/** With messages from before its oldest, in order. Too many: the newest are let go. */
export function prepend(window: Window, page: readonly Known[], older: boolean): Window {
  const oldest = window.entries[0]?.seq ?? Number.POSITIVE_INFINITY;
  const entries = [...page.filter((entry) => entry.seq < oldest), ...window.entries];
  if (entries.length <= MOST) return { ...window, entries, older };
  return { entries: entries.slice(0, MOST), older, newer: true };
}

/** With messages from after its newest, in order. Too many: the oldest are let go. */
export function append(window: Window, page: readonly Known[], newer: boolean): Window {
  const newest = newestSeq(window);
  const entries = [...window.entries, ...page.filter((entry) => entry.seq > newest)];
  if (entries.length <= MOST) return { ...window, entries, newer };
  return { entries: entries.slice(-MOST), older: true, newer };
}

/** With what is now known of a message that it has; itself where there is nothing new or no such message. */
export function update(window: Window, change: Held): Window {
  const at = find(window.entries, change.seq);
  const before = window.entries[at];
  if (before?.seq !== change.seq) return window;
  const after = join(before, change);
  return after === before ? window : { ...window, entries: window.entries.with(at, after) };
}

/** The index of the first entry whose `seq` is not below the given one. */
export function find(entries: readonly Known[], seq: number): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((entries[middle]?.seq ?? 0) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

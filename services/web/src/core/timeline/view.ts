/** What is known of the timeline of one place, and how screens see it. */

import type { Problem } from "@/api/problem";
import type { Focus, Outgoing, Place, Timeline, TimelineItem } from "../types";
import { type Held, join, type Known } from "./held";
import { append, EMPTY, find, MOST, newestSeq, update, type Window } from "./window";

export interface View {
  readonly place: Place;
  readonly status: "loading" | "ready" | "failed";
  readonly problem: Problem | null;
  readonly window: Window;
  /** The newest message that arrived and is not part of the window. */
  readonly skipped: number;
  /** Whether the person sees its newest end. While they do not, nothing old is let go for something new. */
  readonly following: boolean;
  readonly root: Known | null;
  readonly loading: "older" | "newer" | null;
  readonly readWhenOpened: number | null;
  readonly focus: Focus | null;
}

export function newView(place: Place): View {
  return {
    place,
    status: "loading",
    problem: null,
    window: EMPTY,
    skipped: 0,
    following: true,
    root: null,
    loading: null,
    readWhenOpened: null,
    focus: null,
  };
}

/** Whether the message is shown in this place: replies are in their threads alone. */
function belongs(view: View, { message }: Known): boolean {
  return !view.place.threadRoot || message.thread_root === view.place.threadRoot;
}

/** With messages that arrived, in order: they are part of it unless newer ones are not loaded. */
export function deliver(view: View, messages: readonly Known[]): View {
  const own = messages.filter((message) => belongs(view, message));
  const last = own.at(-1);
  if (!last) return view;
  const full = !view.following && view.window.entries.length + own.length > MOST;
  if (view.status === "ready" && !view.window.newer && !full) {
    return { ...view, window: append(view.window, own, false) };
  }
  const skipped = Math.max(view.skipped, last.seq);
  return full ? { ...view, skipped, window: { ...view.window, newer: true } } : { ...view, skipped };
}

/** With what is now known of a message that it shows. */
export function change(view: View, what: Held): View {
  const window = update(view.window, what);
  const root = view.root?.seq === what.seq ? join(view.root, what) : view.root;
  return window === view.window && root === view.root ? view : { ...view, window, root };
}

/** Whether the message of this `seq`, or what stands for it where it is not shown, is loaded. */
export function shows({ status, window }: View, seq: number): boolean {
  if (status !== "ready") return false;
  const at = find(window.entries, seq);
  const here = window.entries[at];
  return here ? here.seq === seq || at > 0 || !window.older : !window.newer;
}

/** Newer messages exist up to this `seq` that nobody has loaded. */
export function leapt(view: View, seq: number): View {
  if (view.status !== "ready" || newestSeq(view.window) >= seq) return view;
  return { ...view, window: { ...view.window, newer: true }, skipped: Math.max(view.skipped, seq) };
}

const LOADING = newView({ conversationId: "" });

/** What screens see: the window, and after it what is on its way from here. */
export function timelineOf(view: View = LOADING, outgoing: readonly Outgoing[] = [], me = ""): Timeline {
  const { window, place } = view;
  const items: TimelineItem[] = [];
  const arrived = new Set<string>();
  for (const { message } of window.entries) {
    const own = message.sender_id === me;
    if (own) arrived.add(message.client_id);
    if (place.threadRoot || !message.thread_root) {
      items.push({ kind: "message", key: own ? message.client_id : message.id, message, own });
    }
  }
  if (!window.newer) {
    for (const message of outgoing) {
      if (!arrived.has(message.client_id)) {
        items.push({ kind: "outgoing", key: message.client_id, outgoing: message });
      }
    }
  }
  return {
    status: view.status,
    problem: view.problem,
    items,
    hasOlder: window.older,
    hasNewer: window.newer,
    loadingOlder: view.loading === "older",
    loadingNewer: view.loading === "newer",
    newestSeq: newestSeq(window),
    readWhenOpened: view.readWhenOpened,
    root: view.root?.message ?? null,
    focus: view.focus,
  };
}

/** The timelines that screens show, and those shown a moment ago: loaded by pages, kept current by what arrives. */

import { createStore } from "zustand/vanilla";
import type { Api } from "@/api/client";
import { Problem } from "@/api/problem";
import { backoff, pause } from "./backoff";
import { placeKey } from "./places";
import { Feed } from "./timeline/feed";
import { held, heldReactions, type Known } from "./timeline/held";
import { type Bound, type Page, readMessage, readPage } from "./timeline/pages";
import { change, deliver, leapt, newView, shows, type View } from "./timeline/view";
import { append, newestSeq, prepend } from "./timeline/window";
import type { Focus, Message, Place } from "./types";
import type { ReactionChange } from "./wire";

export { timelineOf } from "./timeline/view";

/** Messages of a page. */
const PAGE = 80;
/** A page of replies alone shows nothing in the conversation: so many pages are read at most to find something. */
const PAGES = 5;
const ENOUGH = 20;
/** A gap is filled by pages of this size, */
const FILL = 200;
/** and by so many of them; beyond, what is missing is loaded when somebody scrolls there. */
const FILLS = 5;
/** Timelines that are kept although nothing shows them. */
const PARKED = 8;

interface State {
  readonly views: ReadonlyMap<string, View>;
}

export interface TimelineActions {
  /** Loads a page before or after what is loaded; what is far away on the other side is let go. Never rejects. */
  loadOlder(): Promise<void>;
  loadNewer(): Promise<void>;
  /** Shows the surroundings of a `seq`; `focus` of the timeline says what to scroll to once it is `ready`. */
  jumpToSeq(seq: number): Promise<void>;
  /**
   * Follows a permalink and gives its message. Of a reply that is not shown here, it jumps to the message answered.
   * Rejects with `not_found` where there is no such message here.
   */
  jumpToMessage(id: string): Promise<Message>;
  /** To the first message that was unread when the timeline was opened. */
  jumpToUnread(): Promise<void>;
  jumpToNewest(): Promise<void>;
  /** Tries to load again after `failed`. */
  reload(): Promise<void>;
  /** Whether the person sees the newest end, which they do at first. While not, nothing old is let go for new messages. */
  follow(following: boolean): void;
}

/** What is known of the caller's read mark. */
export type LastRead = (conversationId: string) => number | null;

export class Timelines {
  readonly store = createStore<State>(() => ({ views: new Map() }));
  readonly #api: Api;
  readonly #lastRead: LastRead;
  readonly #feeds = new Map<string, Feed>();
  readonly #shown = new Map<string, number>();
  readonly #filling = new Set<string>();
  readonly #running = new AbortController();
  #turn = 0;

  constructor(api: Api, lastRead: LastRead) {
    this.#api = api;
    this.#lastRead = lastRead;
  }

  stop(): void {
    this.#running.abort();
  }

  /** Keeps a timeline loaded until the function that it returns is called. */
  open(place: Place): () => void {
    const key = placeKey(place);
    this.#shown.set(key, (this.#shown.get(key) ?? 0) + 1);
    const view = this.#view(key);
    if (!view) {
      this.#put({ ...newView(place), readWhenOpened: this.#lastRead(place.conversationId) });
      void this.#loadNewest(place);
    } else if (this.#shown.get(key) === 1) {
      // Shown again: set anew, so that it is the last to be let go.
      this.#drop(key);
      this.#put({ ...view, readWhenOpened: this.#lastRead(place.conversationId), focus: null });
      if (view.status === "failed") void this.#loadNewest(place);
    }
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      this.#shown.set(key, (this.#shown.get(key) ?? 1) - 1);
      this.#letGo();
    };
  }

  actionsOf(place: Place): TimelineActions {
    return {
      loadOlder: () => this.#load(place, "older"),
      loadNewer: () => this.#load(place, "newer"),
      jumpToSeq: (seq) => this.#jump(place, seq, "message"),
      jumpToMessage: (id) => this.#jumpToMessage(place, id),
      jumpToUnread: () => this.#jump(place, (this.#view(placeKey(place))?.readWhenOpened ?? 0) + 1, "unread"),
      jumpToNewest: () => this.#jumpToNewest(place),
      reload: () => this.#loadNewest(place),
      follow: (following) =>
        this.#edit(place, (view) => (view.following === following ? view : { ...view, following })),
    };
  }

  /** A message as the store has it now, new or changed. Resolves once it is shown, where it is to be shown. */
  async take(message: Message): Promise<void> {
    const feed = this.#feeds.get(message.conversation_id);
    if (!feed) return;
    const known = held(message);
    this.#change(message.conversation_id, known);
    this.#deliver(message.conversation_id, feed.take(known));
    if (feed.waiting) await this.#fill(message.conversation_id, feed);
  }

  /** The reactions to a message as they are now. */
  react(reactions: ReactionChange): void {
    const what = heldReactions(reactions);
    this.#feeds.get(reactions.conversation_id)?.remember(what);
    this.#change(reactions.conversation_id, what);
  }

  /** Where to continue from, by conversation: for `sync`. */
  positions(): Record<string, number> {
    const known = [...this.#feeds].flatMap(([id, { seen }]) => (seen === null ? [] : [[id, seen] as const]));
    return Object.fromEntries(known);
  }

  /** Messages up to `seq` exist that are too many to be fetched: they are loaded when somebody scrolls there. */
  leap(conversationId: string, seq: number): void {
    this.#each(conversationId, (view) => leapt(view, seq));
    this.#deliver(conversationId, this.#feeds.get(conversationId)?.begin(seq) ?? []);
  }

  /** What is loaded of a conversation cannot be continued: it is loaded anew. */
  reset(conversationId: string): void {
    if (!this.#feeds.has(conversationId)) return;
    this.#feeds.set(conversationId, new Feed());
    for (const view of this.#views(conversationId)) void this.#loadNewest(view.place);
  }

  /** The conversation no longer concerns the person. */
  forget(conversationId: string): void {
    this.#feeds.delete(conversationId);
    this.#each(conversationId, (view) => ({ ...newView(view.place), status: "failed", problem: gone() }));
  }

  /** Loads what could not be loaded while there was no connection. */
  retry(): void {
    for (const view of this.store.getState().views.values()) {
      if (view.status === "failed" && view.problem?.passing) void this.#loadNewest(view.place);
    }
  }

  async #loadNewest(place: Place, reason: Focus["reason"] | null = null): Promise<void> {
    await this.#fresh(place, { seq: null, reason }, async () => {
      const page = await this.#visible(place, {});
      return { ...page, older: page.more, more: false };
    });
    // Something came while the page was read.
    if (this.#view(placeKey(place))?.window.newer) await this.#load(place, "newer");
  }

  async #jump(place: Place, seq: number, reason: Focus["reason"]): Promise<void> {
    const view = this.#view(placeKey(place));
    if (!view) return;
    if (shows(view, seq)) return this.#put({ ...view, focus: this.#focus(seq, reason) });
    await this.#fresh(place, { seq, reason }, async () => {
      const [before, after] = await Promise.all([
        readPage(this.#api, place, { before_seq: seq + 1 }, PAGE / 2),
        readPage(this.#api, place, { after_seq: seq }, PAGE / 2),
      ]);
      return { messages: [...before.messages, ...after.messages], older: before.more, more: after.more };
    });
  }

  /** Replaces what is loaded, or says why it cannot be. Of two at a time the later one counts. */
  async #fresh(
    place: Place,
    { seq, reason }: { seq: number | null; reason: Focus["reason"] | null },
    read: () => Promise<Page & { older: boolean }>,
  ): Promise<void> {
    const before = this.#view(placeKey(place)) ?? newView(place);
    const focus = reason ? this.#focus(seq, reason) : null;
    const loading: View = { ...newView(place), root: before.root, readWhenOpened: before.readWhenOpened, focus };
    this.#put(loading);
    const feed = this.#feed(place.conversationId);
    // What arrives meanwhile changes `skipped` alone.
    const replaced = (now: View) => now.status !== "loading" || now.focus !== focus || now.window !== loading.window;
    try {
      const [page, root] = await Promise.all([read(), this.#root(place)]);
      this.#edit(place, (now) => {
        if (replaced(now)) return now;
        const window = { entries: this.#recalled(feed, page), older: page.older, newer: page.more };
        const newer = page.more || now.skipped > newestSeq(window);
        return { ...now, status: "ready", window: { ...window, newer }, root: root && feed.recall(root) };
      });
      this.#reached(place, page);
    } catch (error) {
      const problem = Problem.from(error);
      this.#edit(place, (now) => (replaced(now) ? now : { ...now, status: "failed", problem }));
    }
  }

  async #load(place: Place, side: "older" | "newer"): Promise<void> {
    const view = this.#view(placeKey(place));
    if (view?.status !== "ready" || view.loading || !view.window[side]) return;
    this.#put({ ...view, loading: side });
    const { entries } = view.window;
    const bound = side === "older" ? { before_seq: entries[0]?.seq ?? 1 } : { after_seq: newestSeq(view.window) };
    try {
      const page = await this.#visible(place, bound);
      this.#edit(place, (now) => {
        // A jump has replaced the window in the meantime.
        if (now.loading !== side) return now;
        const messages = this.#recalled(this.#feed(place.conversationId), page);
        if (side === "older") return { ...now, loading: null, window: prepend(now.window, messages, page.more) };
        const window = append(now.window, messages, page.more);
        // What was skipped before is part of the page.
        const newer = page.more || (now.skipped > view.skipped && now.skipped > newestSeq(window));
        return { ...now, loading: null, window: { ...window, newer } };
      });
      if (side === "newer") this.#reached(place, page);
    } catch {
      // Whoever scrolls on tries again.
      this.#edit(place, (now) => (now.loading === side ? { ...now, loading: null } : now));
    }
  }

  /** A page of a conversation that ends at its newest message: from there on it is followed. */
  #reached({ conversationId, threadRoot }: Place, { messages, more }: Page): void {
    if (threadRoot || more) return;
    const feed = this.#feed(conversationId);
    const first = messages[0]?.seq ?? 1;
    const continued = feed.seen !== null && first <= feed.seen + 1;
    this.#deliver(conversationId, continued ? feed.fill(messages) : feed.begin(messages.at(-1)?.seq ?? 0));
    if (feed.waiting) void this.#fill(conversationId, feed);
  }

  async #jumpToMessage(place: Place, id: string): Promise<Message> {
    const message = await readMessage(this.#api, id);
    if (message.conversation_id !== place.conversationId) throw gone();
    const elsewhere = message.thread_root && message.thread_root !== place.threadRoot;
    const target = elsewhere ? await readMessage(this.#api, message.thread_root as string) : message;
    await this.#jump(place, target.seq, "message");
    return message;
  }

  async #jumpToNewest(place: Place): Promise<void> {
    const view = this.#view(placeKey(place));
    if (view?.status === "ready" && !view.window.newer) this.#put({ ...view, focus: this.#focus(null, "newest") });
    else await this.#loadNewest(place, "newest");
  }

  /** A page that shows something: of a conversation's, replies are not shown. */
  async #visible(place: Place, bound: Bound): Promise<Page> {
    let page = await readPage(this.#api, place, bound, PAGE);
    if (place.threadRoot) return page;
    const shown = () => page.messages.filter(({ message }) => !message.thread_root).length;
    for (let pages = 1; page.more && pages < PAGES && shown() < ENOUGH; pages += 1) {
      if (bound.after_seq === undefined) {
        const next = await readPage(this.#api, place, { before_seq: page.messages[0]?.seq ?? 1 }, PAGE);
        page = { messages: [...next.messages, ...page.messages], more: next.more };
      } else {
        const next = await readPage(this.#api, place, { after_seq: page.messages.at(-1)?.seq ?? 0 }, PAGE);
        page = { messages: [...page.messages, ...next.messages], more: next.more };
      }
    }
    return page;
  }

  async #root({ threadRoot }: Place): Promise<Known | null> {
    return threadRoot ? held(await readMessage(this.#api, threadRoot)) : null;
  }

  /** Fetches what is missing before messages that have arrived. */
  async #fill(conversationId: string, feed: Feed): Promise<void> {
    if (this.#filling.has(conversationId)) return;
    this.#filling.add(conversationId);
    const { signal } = this.#running;
    try {
      for (let tries = 1; feed.waiting && !signal.aborted; tries += 1) {
        // Too much, or the store does not have it: no window gets a hole, what is missing is loaded by scrolling there.
        if (tries > FILLS) return this.leap(conversationId, feed.waiting);
        try {
          const page = await readPage(this.#api, { conversationId }, { after_seq: feed.seen ?? 0 }, FILL);
          this.#deliver(conversationId, feed.fill(page.messages));
          if (feed.waiting && !page.more) await pause(backoff(tries), signal);
        } catch (error) {
          const { passing, retryAfterMs } = Problem.from(error);
          // The next connection's `sync` tells of the rest.
          if (!passing || tries >= FILLS) return;
          await pause(retryAfterMs ?? backoff(tries), signal);
        }
      }
    } finally {
      this.#filling.delete(conversationId);
    }
  }

  #recalled(feed: Feed, { messages }: Page): Known[] {
    return messages.map((message) => feed.recall(message));
  }

  #deliver(conversationId: string, messages: readonly Known[]): void {
    if (messages.length) this.#each(conversationId, (view) => deliver(view, messages));
  }

  #change(conversationId: string, what: Parameters<typeof change>[1]): void {
    this.#each(conversationId, (view) => change(view, what));
  }

  #focus(seq: number | null, reason: Focus["reason"]): Focus {
    this.#turn += 1;
    return { turn: this.#turn, seq, reason };
  }

  #feed(conversationId: string): Feed {
    const feed = this.#feeds.get(conversationId) ?? new Feed();
    this.#feeds.set(conversationId, feed);
    return feed;
  }

  #view(key: string): View | undefined {
    return this.store.getState().views.get(key);
  }

  #views(conversationId: string): View[] {
    return [...this.store.getState().views.values()].filter((view) => view.place.conversationId === conversationId);
  }

  #put(view: View): void {
    this.store.setState(({ views }) => ({ views: new Map(views).set(placeKey(view.place), view) }));
  }

  #edit(place: Place, edit: (view: View) => View): void {
    const before = this.#view(placeKey(place));
    const after = before && edit(before);
    if (after && after !== before) this.#put(after);
  }

  #each(conversationId: string, edit: (view: View) => View): void {
    const changed = this.#views(conversationId).flatMap((view) => {
      const after = edit(view);
      return after === view ? [] : [[placeKey(view.place), after] as const];
    });
    if (changed.length) this.store.setState(({ views }) => ({ views: new Map([...views, ...changed]) }));
  }

  #drop(key: string): void {
    this.store.setState(({ views }) => ({ views: new Map([...views].filter(([other]) => other !== key)) }));
  }

  /** Lets go of what was shown longest ago. */
  #letGo(): void {
    const { views } = this.store.getState();
    const parked = [...views.keys()].filter((key) => !this.#shown.get(key));
    for (const key of parked.slice(0, Math.max(0, parked.length - PARKED))) {
      this.#drop(key);
      this.#shown.delete(key);
    }
    const live = new Set([...this.store.getState().views.values()].map((view) => view.place.conversationId));
    for (const id of this.#feeds.keys()) if (!live.has(id)) this.#feeds.delete(id);
  }
}

function gone(): Problem {
  const detail = "There is no such message in this conversation.";
  return new Problem({ code: "not_found", status: 404, title: detail, detail, request_id: "" });
}

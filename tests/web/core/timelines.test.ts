import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createApi } from "@/api/client";
import { timelineOf } from "@/core/timeline/view";
import { MOST } from "@/core/timeline/window";
import { Timelines } from "@/core/timelines";
import { CONVERSATION, Store, type Told } from "./store";

const PLACE = { conversationId: CONVERSATION, threadRoot: null };
const ORIGIN = "http://chat.test";

let store: Store;
let timelines: Timelines;
/** Runs before an answer leaves the server's hands: what happens between a page's being read and its arrival. */
let meanwhile: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  store = new Store();
  meanwhile = () => undefined;
  vi.stubGlobal("fetch", async (request: Request) => answer(new URL(request.url)));
  const tokens = { token: async () => "token", refused: () => undefined };
  timelines = new Timelines(createApi(tokens, ORIGIN), () => 0);
});

afterEach(() => {
  timelines.stop();
  vi.useRealTimers();
});

function answer(url: URL): Response {
  const number = (name: string) => {
    const value = url.searchParams.get(name);
    return value === null ? undefined : Number(value);
  };
  const [, id] = /\/messages\/(.+)$/.exec(url.pathname) ?? [];
  const thread_root = url.searchParams.get("thread_root") ?? undefined;
  const query = {
    before_seq: number("before_seq"),
    after_seq: number("after_seq"),
    limit: number("limit"),
    thread_root,
  };
  const body = id ? store.messages.find((message) => message.id === id) : store.page(JSON.parse(JSON.stringify(query)));
  const text = JSON.stringify(body);
  meanwhile();
  return new Response(text, { headers: { "Content-Type": "application/json" } });
}

function tell(event: Told): void {
  if (event.kind === "message") void timelines.take(event.message);
  else timelines.react(event.change);
}

function timeline(place = PLACE as { conversationId: string; threadRoot: string | null }) {
  const key = place.threadRoot ? `${place.conversationId}/${place.threadRoot}` : place.conversationId;
  return timelineOf(timelines.store.getState().views.get(key), [], "ada");
}

function shown(place?: { conversationId: string; threadRoot: string | null }) {
  return timeline(place).items.flatMap((item) => (item.kind === "message" ? [item.message] : []));
}

async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(120_000);
}

function sendMany(count: number): void {
  for (let sent = 0; sent < count; sent += 1) store.send();
}

describe("a timeline", () => {
  test("opens at the newest messages and goes back by pages to the first", async () => {
    sendMany(200);
    timelines.open(PLACE);
    await settle();
    expect(timeline()).toMatchObject({ status: "ready", hasOlder: true, hasNewer: false, newestSeq: 200 });
    const { loadOlder } = timelines.actionsOf(PLACE);
    while (timeline().hasOlder) await loadOlder();
    expect(shown()).toEqual(store.messages);
  });

  test("holds so many messages at most, wherever somebody scrolls, and finds the way back", async () => {
    sendMany(2 * MOST);
    timelines.open(PLACE);
    await settle();
    const { loadOlder, loadNewer } = timelines.actionsOf(PLACE);
    while (timeline().hasOlder) {
      await loadOlder();
      expect(timeline().items.length).toBeLessThanOrEqual(MOST);
    }
    expect(shown()[0]?.seq).toBe(1);
    while (timeline().hasNewer) {
      await loadNewer();
      expect(timeline().items.length).toBeLessThanOrEqual(MOST);
    }
    expect(shown()).toEqual(store.messages.slice(-MOST));
  });

  test("stays within its bound while thousands arrive", async () => {
    timelines.open(PLACE);
    await settle();
    for (let sent = 0; sent < 3_000; sent += 1) tell({ kind: "message", message: store.send() });
    expect(shown()).toEqual(store.messages.slice(-MOST));
  });

  test("keeps what somebody reads who is not at its end, and says that there is more", async () => {
    sendMany(MOST);
    timelines.open(PLACE);
    await settle();
    const { loadOlder, follow, jumpToNewest } = timelines.actionsOf(PLACE);
    while (timeline().hasOlder) await loadOlder();
    follow(false);
    tell({ kind: "message", message: store.send() });
    expect(shown()[0]?.seq).toBe(1);
    expect(timeline().hasNewer).toBe(true);
    await jumpToNewest();
    expect(shown().at(-1)?.seq).toBe(MOST + 1);
    expect(timeline().hasNewer).toBe(false);
  });

  test("shows what arrived while its page was on the way", async () => {
    sendMany(10);
    meanwhile = () => {
      meanwhile = () => undefined;
      tell({ kind: "message", message: store.send() });
      store.edit(3, "edited");
      tell(store.told.at(-1) as Told);
    };
    timelines.open(PLACE);
    await settle();
    expect(shown()).toEqual(store.messages);
  });

  test("jumps to a message in the middle and scrolls from there to both ends", async () => {
    sendMany(500);
    timelines.open(PLACE);
    await settle();
    const { jumpToMessage, loadOlder, loadNewer } = timelines.actionsOf(PLACE);
    await jumpToMessage("message-250");
    expect(timeline()).toMatchObject({ hasOlder: true, hasNewer: true, focus: { seq: 250, reason: "message" } });
    const sequence = shown().map(({ seq }) => seq);
    expect(sequence).toContain(250);
    expect(sequence).toEqual(sequence.map((_, at) => (sequence[0] ?? 0) + at));
    while (timeline().hasNewer) await loadNewer();
    tell({ kind: "message", message: store.send() });
    expect(shown().at(-1)?.seq).toBe(501);
    while (timeline().hasOlder) await loadOlder();
    expect(shown()[0]?.seq).toBe(1);
  });

  test("shows replies in their thread alone, live", async () => {
    const root = store.send();
    store.send({ thread_root: root.id });
    store.send();
    const thread = { conversationId: CONVERSATION, threadRoot: root.id };
    timelines.open(PLACE);
    timelines.open(thread);
    await settle();
    tell({ kind: "message", message: store.send({ thread_root: root.id }) });
    expect(shown().map(({ seq }) => seq)).toEqual([1, 3]);
    expect(shown(thread).map(({ seq }) => seq)).toEqual([2, 4]);
    expect(timeline(thread).root).toEqual(root);
  });

  test("goes on after a leap by loading what was left out", async () => {
    sendMany(5);
    timelines.open(PLACE);
    await settle();
    for (let sent = 0; sent < 300; sent += 1) store.send();
    timelines.leap(CONVERSATION, 305);
    expect(timeline().hasNewer).toBe(true);
    const { loadNewer } = timelines.actionsOf(PLACE);
    while (timeline().hasNewer) await loadNewer();
    expect(shown()).toEqual(store.messages);
    tell({ kind: "message", message: store.send() });
    expect(shown()).toEqual(store.messages);
  });

  test("lets go of timelines that nothing has shown for long", async () => {
    store.send();
    for (let number = 0; number < 30; number += 1) {
      const close = timelines.open({ conversationId: `other-${number}`, threadRoot: null });
      await settle();
      close();
    }
    expect(timelines.store.getState().views.size).toBeLessThan(10);
  });

  test("ends as the store has it, whatever is reordered, repeated or lost on the way", async () => {
    const action = fc.oneof(
      { weight: 3, arbitrary: fc.constant("send" as const) },
      fc.record({ edit: fc.nat(), body: fc.string({ maxLength: 3 }) }),
      fc.record({ react: fc.nat(), by: fc.constantFrom("bob", "eve") }),
      fc.record({ remove: fc.nat() }),
    );
    /** What becomes of each event: its place among the others, and how often it comes; 0 is lost. */
    const fate = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), times: fc.constantFrom(0, 1, 1, 1, 2) });
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 5 }),
        fc.array(fc.tuple(action, fate), { minLength: 1, maxLength: 30 }),
        async (before, happened) => {
          store = new Store();
          const tokens = { token: async () => "token", refused: () => undefined };
          timelines = new Timelines(createApi(tokens, ORIGIN), () => 0);
          for (let sent = 0; sent < before; sent += 1) store.send();
          timelines.open(PLACE);
          await settle();
          const events: { at: number; event: Told }[] = [];
          for (const [step, { at, times }] of happened) {
            const count = store.told.length;
            const any = (number: number) => (number % store.lastSeq) + 1;
            if (step === "send") store.send();
            else if (!store.lastSeq) continue;
            else if ("edit" in step) store.edit(any(step.edit), step.body);
            else if ("react" in step) store.react(any(step.react), { "👍": [step.by] });
            else store.delete(any(step.remove));
            for (const event of store.told.slice(count)) {
              for (let time = 0; time < times; time += 1) events.push({ at: at + time / 7, event });
            }
          }
          for (const { event } of events.sort((a, b) => a.at - b.at)) tell(event);
          await settle();
          const seqs = shown().map(({ seq }) => seq);
          // Never a hole or a repetition, whatever is lost.
          expect(seqs).toEqual(seqs.map((_, at) => at + 1));
          // After the next `sync`, everything.
          const position = timelines.positions()[CONVERSATION] ?? 0;
          for (const sent of store.messages.filter(({ seq }) => seq > position)) await timelines.take(sent);
          for (const changed of store.messages) await timelines.take(changed);
          await settle();
          expect(shown()).toEqual(store.messages);
          timelines.stop();
        },
      ),
      { numRuns: 60 },
    );
  });
});

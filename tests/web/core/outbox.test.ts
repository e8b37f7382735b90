import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Problem } from "@/api/problem";
import { Outbox, type Sender } from "@/core/outbox";
import { MemoryShelf, type Queued } from "@/core/shelf";
import type { Message } from "@/core/types";
import type { SendPayload } from "@/core/wire";
import { message } from "./store";

/** What becomes of one attempt: `unheard` was stored and its answer lost, `cut` never arrived. */
type Fate = "stored" | "unheard" | "cut" | "unavailable" | "limited" | "refused";

const HERE = { conversationId: "here" };
const THERE = { conversationId: "there" };

/** The message service: of one `client_id` it stores one message, for ever. */
class Service implements Sender {
  online = true;
  readonly stored: Message[] = [];
  readonly shown: Message[] = [];
  fates: Fate[] = [];

  async send({ client_id, conversation_id, body }: SendPayload): Promise<Message> {
    const fate = this.fates.shift() ?? "stored";
    if (fate === "cut") throw Problem.unanswered("network");
    if (fate === "unavailable") throw problem(503, "unavailable", 1_500);
    if (fate === "limited") throw problem(429, "too_many_requests", 2_000);
    if (fate === "refused") throw problem(403, "blocked", null);
    const known = this.stored.find((stored) => stored.client_id === client_id);
    const made = known ?? message(this.stored.length + 1, { client_id, conversation_id, body });
    if (!known) this.stored.push(made);
    if (fate === "unheard") throw Problem.unanswered("timeout");
    return made;
  }

  async take(taken: Message): Promise<void> {
    this.shown.push(taken);
  }

  bodies(conversationId: string): string[] {
    return this.stored.filter(({ conversation_id }) => conversation_id === conversationId).map(({ body }) => body);
  }
}

function problem(status: number, code: string, retry_after_ms: number | null): Problem {
  return new Problem({ status, code, title: code, detail: code, request_id: "request", retry_after_ms });
}

let shelf: MemoryShelf<Queued>;
let service: Service;
let running: Outbox[];

beforeEach(() => {
  vi.useFakeTimers();
  shelf = new MemoryShelf();
  service = new Service();
  running = [];
});

afterEach(() => {
  for (const outbox of running) outbox.stop();
  vi.useRealTimers();
});

function page(sender: Sender = service): Outbox {
  const outbox = new Outbox("ada", Promise.resolve(shelf), sender);
  running.push(outbox);
  void outbox.start();
  return outbox;
}

async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(300_000);
}

function states(outbox: Outbox): string[] {
  return outbox.store.getState().entries.map(({ body, state }) => `${body} ${state}`);
}

describe("the outbox", () => {
  test("shows a message at once and lets it go when it is stored and shown", async () => {
    const outbox = page();
    outbox.add(HERE, { body: "hello" });
    expect(states(outbox)).toEqual(["hello waiting"]);
    await settle();
    expect(states(outbox)).toEqual([]);
    expect(service.shown.map(({ body }) => body)).toEqual(["hello"]);
    expect(await shelf.all()).toEqual([]);
  });

  test.each<[Fate]>([["unheard"], ["cut"], ["unavailable"], ["limited"]])(
    "sends again under the same client id what was %s",
    async (fate) => {
      service.fates = [fate, fate, "stored"];
      const outbox = page();
      const clientId = outbox.add(HERE, { body: "hello" });
      await settle();
      expect(service.stored.map(({ client_id }) => client_id)).toEqual([clientId]);
      expect(states(outbox)).toEqual([]);
    },
  );

  test.each<[Fate, number]>([
    ["unavailable", 1_500],
    ["limited", 2_000],
  ])("waits as long as the server asks when it is %s", async (fate, wait) => {
    service.fates = [fate];
    page().add(HERE, { body: "hello" });
    await vi.advanceTimersByTimeAsync(wait - 1);
    expect(service.stored).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(service.stored).toHaveLength(1);
  });

  test("does not wait any longer once a connection stands again", async () => {
    service.fates = Array.from({ length: 6 }, () => "cut" as const);
    const outbox = page();
    outbox.add(HERE, { body: "hello" });
    while (service.fates.length) await vi.advanceTimersByTimeAsync(100);
    expect(service.stored).toEqual([]);
    outbox.connected();
    await vi.advanceTimersByTimeAsync(1);
    expect(service.bodies("here")).toEqual(["hello"]);
  });

  test("keeps what is refused for the person to decide, and sends what comes after it", async () => {
    service.fates = ["refused"];
    const outbox = page();
    const clientId = outbox.add(HERE, { body: "one" });
    outbox.add(HERE, { body: "two" });
    await settle();
    expect(states(outbox)).toEqual(["one failed"]);
    expect(outbox.store.getState().entries[0]?.problem).toMatchObject({ code: "blocked" });
    expect(service.bodies("here")).toEqual(["two"]);
    outbox.retry(clientId);
    await settle();
    expect(service.bodies("here")).toEqual(["two", "one"]);
    expect(states(outbox)).toEqual([]);
  });

  test("forgets what is given up", async () => {
    service.fates = ["refused"];
    const outbox = page();
    const clientId = outbox.add(HERE, { body: "one" });
    await settle();
    outbox.discard(clientId);
    await settle();
    expect(states(outbox)).toEqual([]);
    expect(states(page())).toEqual([]);
    expect(service.stored).toEqual([]);
  });

  test("survives a reload, with what was refused", async () => {
    service.fates = ["refused"];
    const first = page();
    first.add(HERE, { body: "refused" });
    await settle();
    service.online = false;
    first.add(HERE, { body: "waiting" });
    await settle();
    first.stop();
    const second = page();
    await settle();
    expect(states(second)).toEqual(["refused failed", "waiting waiting"]);
    service.online = true;
    second.drain();
    await settle();
    expect(service.bodies("here")).toEqual(["waiting"]);
  });

  test("sends what the device would not keep", async () => {
    vi.spyOn(shelf, "put").mockRejectedValue(new DOMException("full", "QuotaExceededError"));
    const outbox = page();
    outbox.add(HERE, { body: "hello" });
    await settle();
    expect(service.bodies("here")).toEqual(["hello"]);
    expect(states(outbox)).toEqual([]);
  });

  test("does not hold up one conversation for another", async () => {
    let giveUp: (error: Problem) => void = () => undefined;
    const stuck = new Promise<Message>((_, reject) => {
      giveUp = reject;
    });
    vi.spyOn(service, "send").mockReturnValueOnce(stuck);
    const outbox = page();
    outbox.add(HERE, { body: "stuck" });
    outbox.add(THERE, { body: "free" });
    await settle();
    expect(service.bodies("there")).toEqual(["free"]);
    giveUp(Problem.unanswered("timeout"));
    await settle();
    expect(service.bodies("here")).toEqual(["stuck"]);
  });

  test("loses nothing and doubles nothing, over faults, reloads and tabs, and keeps the order of each conversation", async () => {
    const fates = fc.array(fc.constantFrom<Fate>("stored", "unheard", "cut", "unavailable", "limited"), {
      maxLength: 20,
    });
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ send: fc.constantFrom(HERE, THERE) }) },
      fc.record({ wait: fc.nat({ max: 20_000 }) }),
      fc.constantFrom("reload" as const, "offline" as const, "online" as const, "other tab" as const),
    );
    await fc.assert(
      fc.asyncProperty(fates, fc.array(step, { minLength: 1, maxLength: 25 }), async (luck, steps) => {
        shelf = new MemoryShelf();
        service = new Service();
        service.fates = luck;
        const written = { here: [] as string[], there: [] as string[] };
        let tabs = [page(), page()];
        let number = 0;
        for (const what of steps) {
          if (what === "offline") service.online = false;
          else if (what === "online") {
            service.online = true;
            for (const tab of tabs) tab.connected();
          } else if (what === "other tab") tabs.reverse();
          else if (what === "reload") {
            // The page takes its time to go: what it wrote is on the device.
            await vi.advanceTimersByTimeAsync(1);
            for (const tab of tabs) tab.stop();
            tabs = [page(), page()];
            await vi.advanceTimersByTimeAsync(1);
          } else if ("wait" in what) await vi.advanceTimersByTimeAsync(what.wait);
          else {
            number += 1;
            // Written after what the other tab wrote was seen: then there is an order to keep.
            await vi.advanceTimersByTimeAsync(1);
            tabs[0]?.add(what.send, { body: String(number) });
            written[what.send.conversationId as "here" | "there"].push(String(number));
          }
        }
        service.online = true;
        for (const tab of tabs) tab.drain();
        await settle();
        for (const tab of tabs) tab.drain();
        await settle();
        expect(await shelf.all()).toEqual([]);
        expect(service.bodies("here")).toEqual(written.here);
        expect(service.bodies("there")).toEqual(written.there);
        for (const tab of tabs) tab.stop();
      }),
      { numRuns: 80 },
    );
  });
});

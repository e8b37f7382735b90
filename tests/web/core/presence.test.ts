import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Link } from "@/core/link";
import { Presence } from "@/core/presence";
import { Typing } from "@/core/typing";
import type { PresenceEvents, PresenceRequests } from "@/core/wire";

type Listener = (payload: unknown) => void;

/** The presence service at the other end of a connection. */
class Service {
  online = true;
  readonly asked: [string, Record<string, unknown>][] = [];
  readonly listeners = new Map<string, Listener>();
  connected: () => void = () => undefined;

  on(event: string, listener: Listener): void {
    this.listeners.set(event, listener);
  }

  onConnect(listener: () => void): () => void {
    this.connected = listener;
    return () => undefined;
  }

  async request(event: string, payload: Record<string, unknown>): Promise<unknown> {
    this.asked.push([event, payload]);
    const people = (payload.user_ids ?? []) as string[];
    return { ok: true, items: people.map((user_id) => ({ user_id, status: "online", last_seen: null })) };
  }

  people(event: string): string[][] {
    return this.asked.flatMap(([name, payload]) => (name === event ? [payload.user_ids as string[]] : []));
  }

  events(): string[] {
    return this.asked.map(([name]) => name);
  }
}

let service: Service;
let link: Link<PresenceEvents, PresenceRequests>;

beforeEach(() => {
  vi.useFakeTimers();
  service = new Service();
  link = service as unknown as typeof link;
});

afterEach(() => {
  vi.useRealTimers();
});

describe("presence", () => {
  let presence: Presence;

  beforeEach(() => {
    presence = new Presence(link, async () => Promise.reject(new Error("away")));
  });

  test("is asked for once for all that show a person, and until the last one is gone", async () => {
    const [first, second] = [presence.watch("ada"), presence.watch("ada")];
    presence.watch("bob");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(service.people("presence:subscribe")).toEqual([["ada", "bob"]]);
    expect(presence.store.getState().people.get("ada")?.status).toBe("online");
    first();
    first();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(service.people("presence:unsubscribe")).toEqual([]);
    second();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(service.people("presence:unsubscribe")).toEqual([["ada"]]);
  });

  test("of a row that only scrolls by is not asked for", async () => {
    presence.watch("ada")();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(service.asked).toEqual([]);
  });

  test("of very many is asked for in portions, up to what a socket may watch", async () => {
    for (let number = 0; number < 1_100; number += 1) presence.watch(`person-${number}`);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(service.people("presence:subscribe").map(({ length }) => length)).toEqual([200, 200, 200, 200, 200]);
  });

  test("is asked for anew with each connection", async () => {
    presence.watch("ada");
    await vi.advanceTimersByTimeAsync(1_000);
    service.connected();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(service.people("presence:subscribe")).toEqual([["ada"], ["ada"]]);
  });

  test("follows what is told", () => {
    const items = [{ user_id: "ada", status: "dnd", last_seen: null }];
    service.listeners.get("presence:changes")?.({ items });
    expect(presence.store.getState().people.get("ada")?.status).toBe("dnd");
  });
});

describe("typing", () => {
  let typing: Typing;

  beforeEach(() => {
    typing = new Typing(link, "me");
  });

  test("is told at once, then now and then, and its end", async () => {
    for (let key = 0; key < 8; key += 1) {
      typing.typed("here");
      await vi.advanceTimersByTimeAsync(500);
    }
    typing.stopped("here");
    typing.stopped("here");
    expect(service.events()).toEqual(["typing:start", "typing:start", "typing:stop"]);
  });

  test("ends by itself when nothing is typed any more, and where one types elsewhere", async () => {
    typing.typed("here");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(service.events()).toEqual(["typing:start", "typing:stop"]);
    typing.typed("here");
    typing.typed("there");
    expect(service.asked.slice(2)).toEqual([
      ["typing:start", { conversation_id: "here" }],
      ["typing:stop", { conversation_id: "here" }],
      ["typing:start", { conversation_id: "there" }],
    ]);
  });

  test("of others is shown without oneself, and forgotten when its end was not heard", async () => {
    const tell = (user_ids: string[]) =>
      service.listeners.get("typing:changed")?.({ conversation_id: "here", user_ids });
    tell(["ada", "me"]);
    expect(typing.store.getState().get("here")).toEqual(["ada"]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(typing.store.getState().has("here")).toBe(false);
    tell(["ada"]);
    tell([]);
    expect(typing.store.getState().has("here")).toBe(false);
  });
});

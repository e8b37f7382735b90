import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Problem } from "@/api/problem";
import { Sync, type SyncTarget } from "@/core/sync";
import type { Conversation, Message } from "@/core/types";
import type { SyncResult } from "@/core/wire";
import { message } from "./store";

type Asked = Parameters<SyncTarget["request"]>[0];

const NOTHING: SyncResult = { messages: [], changed: [], as_of: "now", more: [], reload: [] };

class Client implements SyncTarget {
  online = true;
  readonly asked: Asked[] = [];
  readonly taken: Message[] = [];
  readonly leaps: [string, number][] = [];
  readonly resets: string[] = [];
  loads = 0;
  answers: (Partial<SyncResult> | Problem)[] = [];
  known: Partial<Conversation>[] = [];
  at: Record<string, number> = {};

  async request(payload: Asked): Promise<SyncResult> {
    this.asked.push(payload);
    const answer = this.answers.shift() ?? {};
    if (answer instanceof Problem) throw answer;
    return { ...NOTHING, ...answer };
  }

  async loadConversations(): Promise<void> {
    this.loads += 1;
  }

  conversations(): readonly Conversation[] {
    return this.known as Conversation[];
  }

  positions(): Record<string, number> {
    return { ...this.at };
  }

  take(taken: Message): void {
    this.taken.push(taken);
    if (taken.conversation_id in this.at) this.at[taken.conversation_id] = taken.seq;
  }

  leap(conversationId: string, seq: number): void {
    this.leaps.push([conversationId, seq]);
  }

  reset(conversationId: string): void {
    this.resets.push(conversationId);
  }
}

let client: Client;
let sync: Sync;

beforeEach(() => {
  vi.useFakeTimers();
  client = new Client();
  sync = new Sync(client);
});

afterEach(() => {
  sync.stop();
  vi.useRealTimers();
});

describe("catching up", () => {
  test("asks from where the loaded conversations stand, and next time for changes since", async () => {
    client.at = { conversation: 4 };
    client.answers = [{ as_of: "first", messages: [message(5)] }, { as_of: "second" }];
    await sync.run();
    await sync.run();
    expect(client.asked).toEqual([
      { conversations: { conversation: 4 }, changed_since: null },
      { conversations: { conversation: 5 }, changed_since: "first" },
    ]);
    expect(client.loads).toBe(2);
  });

  test("pages through what is more, from the newest received", async () => {
    client.at = { conversation: 1, quiet: 9 };
    client.answers = [
      { as_of: "first", messages: [message(2)], more: ["conversation"] },
      { as_of: "later", messages: [message(3)] },
      {},
    ];
    await sync.run();
    expect(client.asked.map(({ conversations }) => conversations)).toEqual([
      { conversation: 1, quiet: 9 },
      { conversation: 2 },
    ]);
    await sync.run();
    expect(client.asked.at(-1)?.changed_since).toBe("first");
  });

  test("leaves the rest of very much to whoever scrolls there", async () => {
    client.at = { conversation: 1 };
    client.known = [{ id: "conversation", first_seq: 1, last_seq: 9_000, last: message(9_000) }];
    client.answers = Array.from({ length: 5 }, (_, at) => ({ messages: [message(at + 2)], more: ["conversation"] }));
    await sync.run();
    expect(client.asked).toHaveLength(5);
    expect(client.leaps).toEqual([["conversation", 9_000]]);
  });

  test("loads anew what cannot be continued", async () => {
    client.at = { conversation: 7 };
    client.answers = [{ reload: ["conversation"] }];
    await sync.run();
    expect(client.resets).toEqual(["conversation"]);
  });

  test("asks for the newest message of conversations where it is not known", async () => {
    client.known = [
      { id: "known", first_seq: 1, last_seq: 5, last: message(5) },
      { id: "new", first_seq: 1, last_seq: 8, last: null },
      { id: "empty", first_seq: 1, last_seq: 0, last: null },
    ];
    await sync.run();
    expect(client.asked.at(-1)).toEqual({ conversations: { new: 7 }, changed_since: null });
  });

  test("tries again while there is a connection, and asks for the same changes", async () => {
    client.at = { conversation: 4 };
    client.answers = [{ as_of: "first" }, Problem.unanswered("timeout"), { as_of: "second" }];
    await sync.run();
    const second = sync.run();
    await vi.advanceTimersByTimeAsync(10_000);
    await second;
    expect(client.asked.map(({ changed_since }) => changed_since)).toEqual([null, "first", "first"]);
  });

  test("gives up when the connection is lost: the next one begins anew", async () => {
    client.answers = [Problem.unanswered("network")];
    client.online = true;
    const run = sync.run();
    client.online = false;
    await vi.advanceTimersByTimeAsync(60_000);
    await run;
    expect(client.asked).toHaveLength(1);
  });

  test("is done once more when it is asked for while it runs", async () => {
    let release: () => void = () => undefined;
    const load = new Promise<void>((resolve) => {
      release = resolve;
    });
    vi.spyOn(client, "loadConversations").mockReturnValueOnce(load);
    const first = sync.run();
    await vi.advanceTimersByTimeAsync(0);
    const second = sync.run();
    expect(client.loads).toBe(0);
    release();
    await Promise.all([first, second]);
    expect(client.loads).toBe(1);
  });
});

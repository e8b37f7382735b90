import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Problem } from "@/api/problem";
import { type MarkTarget, ReadMarks } from "@/core/marks";

class Server implements MarkTarget {
  online = true;
  /** Where the mark stands at the server, and where this device shows it. */
  stands = 0;
  shown = 0;
  readonly sent: number[] = [];
  failures = 0;

  async send(_conversationId: string, seq: number): Promise<number> {
    this.sent.push(seq);
    if (this.failures-- > 0) throw Problem.unanswered("network");
    this.stands = Math.max(this.stands, seq);
    return this.stands;
  }

  readSeq(conversationId: string): number | null {
    return conversationId === "here" ? this.shown : null;
  }

  moved(_conversationId: string, seq: number): void {
    this.shown = Math.max(this.shown, seq);
  }

  stored(): void {}
}

let server: Server;
let marks: ReadMarks;

beforeEach(() => {
  vi.useFakeTimers();
  server = new Server();
  marks = new ReadMarks(server);
});

afterEach(() => {
  marks.stop();
  vi.useRealTimers();
});

describe("read marks", () => {
  test("move at once here and are sent once for all that was scrolled past", async () => {
    for (const seq of [1, 2, 3, 4]) marks.mark("here", seq);
    expect(server.shown).toBe(4);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server.sent).toEqual([4]);
  });

  test("never move back", async () => {
    marks.mark("here", 9);
    marks.mark("here", 3);
    await vi.advanceTimersByTimeAsync(1_000);
    marks.mark("here", 9);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server.sent).toEqual([9]);
    expect(server.shown).toBe(9);
  });

  test("follow what another device has read further", async () => {
    server.stands = 20;
    marks.mark("here", 5);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server.shown).toBe(20);
  });

  test("are not made where the person is no member", async () => {
    marks.mark("elsewhere", 5);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server.sent).toEqual([]);
  });

  test("made without a connection are sent with the next one", async () => {
    server.online = false;
    marks.mark("here", 5);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.sent).toEqual([]);
    server.online = true;
    marks.flush();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server.sent).toEqual([5]);
  });

  test("stand at the newest that was shown, whatever fails in between", async () => {
    const step = fc.oneof(
      fc.record({ mark: fc.integer({ min: 1, max: 50 }) }),
      fc.record({ fail: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ wait: fc.nat({ max: 2_000 }) }),
      fc.constantFrom("offline" as const, "online" as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        server = new Server();
        marks = new ReadMarks(server);
        let newest = 0;
        for (const what of steps) {
          if (what === "offline") server.online = false;
          else if (what === "online") {
            server.online = true;
            marks.flush();
          } else if ("mark" in what) {
            marks.mark("here", what.mark);
            newest = Math.max(newest, what.mark);
          } else if ("fail" in what) server.failures = what.fail;
          else await vi.advanceTimersByTimeAsync(what.wait);
          expect(server.shown).toBe(newest);
        }
        server.online = true;
        marks.flush();
        await vi.advanceTimersByTimeAsync(120_000);
        expect(server.stands).toBe(newest);
      }),
      { numRuns: 100 },
    );
  });
});

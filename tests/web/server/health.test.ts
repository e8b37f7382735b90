import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { drainOnTerm, livez, readyz } from "@/server/health";
import { state } from "@/server/process";

let listeners: NodeJS.SignalsListener[];
let atExit: NodeJS.ExitListener[];

beforeEach(() => {
  listeners = process.listeners("SIGTERM");
  atExit = process.listeners("exit");
  process.removeAllListeners("SIGTERM");
  state().draining = false;
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  process.removeAllListeners("SIGTERM");
  for (const listener of process.listeners("exit")) if (!atExit.includes(listener)) process.off("exit", listener);
  for (const listener of listeners) process.on("SIGTERM", listener);
});

describe("a server that is told to end", () => {
  test("is unready at once and goes on answering until the edge has noticed", async () => {
    const end = vi.fn();
    process.on("SIGTERM", end);
    drainOnTerm({ noticeMs: 3_000, drainMs: 20_000 });
    expect(readyz().status).toBe(200);
    process.emit("SIGTERM", "SIGTERM");
    expect(readyz().status).toBe(503);
    expect(await readyz().json()).toEqual({ ready: false, not_ready: ["draining"] });
    expect(livez().status).toBe(200);
    vi.advanceTimersByTime(2_999);
    expect(end).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(end).toHaveBeenCalledOnce();
  });

  test("ends after its time although something still waits for an answer", () => {
    const exit = vi.spyOn(process, "exit").mockReturnValue(undefined as never);
    process.on("SIGTERM", () => undefined);
    drainOnTerm({ noticeMs: 3_000, drainMs: 20_000 });
    process.emit("SIGTERM", "SIGTERM");
    vi.advanceTimersByTime(19_999);
    expect(exit).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(exit).toHaveBeenCalledWith(0);
  });
});

import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server, type Socket } from "socket.io";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Link } from "@/core/link";
import type { MessageEvents, MessageRequests } from "@/core/wire";

let http: HttpServer;
let server: Server;
let link: Link<MessageEvents, MessageRequests>;
/** What the handshakes carried. */
let tokens: string[];
let sockets: Socket[];
let refuse: (token: string) => { code: string; retry_after_ms?: number } | null;
let current: number;

beforeEach(async () => {
  tokens = [];
  sockets = [];
  refuse = () => null;
  current = 1;
  http = createServer();
  server = new Server(http, { path: "/socket.io/" });
  server.use((socket, next) => {
    const { token } = socket.handshake.auth as { token: string };
    tokens.push(token);
    const problem = refuse(token);
    next(problem ? Object.assign(new Error("refused"), { data: problem }) : undefined);
  });
  server.on("connection", (socket) => void sockets.push(socket));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  link = connection(5_000);
});

afterEach(async () => {
  link.stop();
  await server.close();
});

function connection(silenceMs: number): Link<MessageEvents, MessageRequests> {
  const source = {
    token: async () => `token-${current}`,
    refused: (token: string) => {
      if (token === `token-${current}`) current += 1;
    },
  };
  const { port } = http.address() as AddressInfo;
  return new Link(source, "/socket.io/", `http://127.0.0.1:${port}`, silenceMs);
}

async function online(): Promise<Socket> {
  await vi.waitFor(() => expect(link.online).toBe(true), 5_000);
  return sockets.at(-1) as Socket;
}

describe("a connection", () => {
  test("gives a request's answer, and rejects with the problem that it is answered with", async () => {
    link.start();
    const socket = await online();
    socket.on("read:mark", ({ seq }: { seq: number }, acknowledge: (answer: unknown) => void) => {
      const error = { code: "not_found", status: 404, title: "", detail: "No.", request_id: "" };
      acknowledge(seq ? { ok: true, seq } : { ok: false, error });
    });
    const conversation_id = "here";
    expect((await link.request("read:mark", { conversation_id, seq: 3 })).seq).toBe(3);
    await expect(link.request("read:mark", { conversation_id, seq: 0 })).rejects.toMatchObject({ code: "not_found" });
  });

  test("rejects at once what is asked for while there is none", async () => {
    const asked = link.request("read:mark", { conversation_id: "here", seq: 1 });
    await expect(asked).rejects.toMatchObject({ code: "network", status: 0, passing: true });
  });

  test("rejects what was asked for when it is lost, and comes back by itself", async () => {
    link.start();
    const socket = await online();
    const asked = link.request("read:mark", { conversation_id: "here", seq: 1 });
    const rejected = expect(asked).rejects.toMatchObject({ code: "network" });
    socket.conn.close();
    await rejected;
    expect(link.store.getState().status).toBe("waiting");
    expect(link.store.getState().retryAt).toBeGreaterThan(Date.now() - 1_000);
    await online();
    expect(tokens).toHaveLength(2);
  });

  test("tries now when it is told to", async () => {
    refuse = () => ({ code: "unavailable", retry_after_ms: 60_000 });
    link.start();
    await vi.waitFor(() => expect(link.store.getState().status).toBe("waiting"), 5_000);
    expect((link.store.getState().retryAt ?? 0) - Date.now()).toBeGreaterThan(50_000);
    refuse = () => null;
    link.retryNow();
    await online();
  });

  test("has a fresh token after one that was refused", async () => {
    refuse = (token) => (token === "token-1" ? { code: "unauthorized" } : null);
    link.start();
    await online();
    expect(tokens).toEqual(["token-1", "token-2"]);
  });

  test("is made anew with a fresh token when the last one has expired", async () => {
    link.start();
    const socket = await online();
    socket.emit("auth:expired", {});
    await vi.waitFor(() => expect(tokens).toEqual(["token-1", "token-2"]), 5_000);
    await online();
  });

  test("moves when the server says that it goes away, after the time that it says", async () => {
    link.start();
    const socket = await online();
    const begun = performance.now();
    socket.emit("server:draining", { retry_after_ms: 150 });
    await vi.waitFor(() => expect(sockets).toHaveLength(2), 5_000);
    expect(performance.now() - begun).toBeGreaterThan(140);
    await online();
    expect(socket.connected).toBe(false);
  });

  test("is made anew when nothing is acknowledged any more", async () => {
    link = connection(200);
    link.start();
    await online();
    const asked = link.request("read:mark", { conversation_id: "here", seq: 1 });
    await expect(asked).rejects.toMatchObject({ code: "timeout", passing: true });
    await vi.waitFor(() => expect(sockets).toHaveLength(2), 5_000);
    await online();
  });

  test("stands while something else is acknowledged", async () => {
    link = connection(400);
    link.start();
    const socket = await online();
    socket.on("read:mark", (mark: { seq: number }, acknowledge: (answer: unknown) => void) => {
      if (mark.seq === 2) acknowledge({ ok: true, seq: 2 });
    });
    const silent = link.request("read:mark", { conversation_id: "here", seq: 1 });
    await link.request("read:mark", { conversation_id: "here", seq: 2 });
    await expect(silent).rejects.toMatchObject({ code: "timeout" });
    expect(link.online).toBe(true);
    expect(sockets).toHaveLength(1);
  });

  test("tells each time that it stands, and hears what the server says", async () => {
    const stood = vi.fn();
    const heard = vi.fn();
    link.onConnect(stood);
    link.on("server:resync", heard);
    link.start();
    (await online()).conn.close();
    await vi.waitFor(() => expect(stood).toHaveBeenCalledTimes(2), 5_000);
    (await online()).emit("server:resync", {});
    await vi.waitFor(() => expect(heard).toHaveBeenCalledOnce(), 5_000);
  });

  test("stays closed once it was stopped", async () => {
    link.start();
    const socket = await online();
    link.stop();
    await vi.waitFor(() => expect(socket.connected).toBe(false), 5_000);
    expect(link.store.getState().status).toBe("stopped");
    expect(sockets).toHaveLength(1);
  });
});

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Session } from "@/core/session";

const ME = { id: "me", username: "ada" };

/** The web server's `/session` and the gateway's `/users/me`, for one browser. */
let server: {
  calls: string[];
  /** Tokens that it has given so far. */
  given: number;
  signedIn: boolean;
  away: boolean;
  seconds: number;
};
let sessions: Session[];

beforeEach(() => {
  vi.useFakeTimers();
  server = { calls: [], given: 0, signedIn: false, away: false, seconds: 900 };
  sessions = [];
  vi.stubGlobal("fetch", async (input: string | Request, init?: RequestInit) => {
    const { pathname } = new URL(typeof input === "string" ? input : input.url);
    const method = typeof input === "string" ? (init?.method ?? "GET") : input.method;
    const body = typeof init?.body === "string" ? init.body : "";
    server.calls.push(`${method} ${pathname}${body === '{"refused":null}' ? "" : body && ` ${body}`}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
    if (server.away) throw new TypeError("fetch failed");
    return respond(method, pathname);
  });
});

afterEach(() => {
  for (const session of sessions) session.stop();
  vi.useRealTimers();
});

function respond(method: string, pathname: string): Response {
  if (pathname === "/api/v1/users/me") return Response.json(ME);
  if (method === "DELETE") {
    server.signedIn = false;
    return new Response(null, { status: 204 });
  }
  if (pathname === "/session") server.signedIn = true;
  if (!server.signedIn) return Response.json({ code: "signed_out", status: 401 }, { status: 401 });
  server.given += 1;
  const access = { access_token: `token-${server.given}`, expires_in: server.seconds, token_type: "Bearer" };
  return Response.json(pathname === "/session" ? { ...access, user: ME } : access);
}

async function started(): Promise<Session> {
  const session = new Session("http://chat.test");
  sessions.push(session);
  session.start();
  await vi.advanceTimersByTimeAsync(100);
  return session;
}

function status(session: Session): string {
  return session.store.getState().status;
}

describe("a session", () => {
  test("is found when the page is loaded", async () => {
    server.signedIn = true;
    const session = await started();
    expect(session.store.getState()).toEqual({ status: "signed-in", me: ME });
    expect(server.calls).toEqual(["POST /session/refresh", "GET /api/v1/users/me"]);
  });

  test("is not there where nobody signed in, and nothing is asked for again", async () => {
    const session = await started();
    expect(session.store.getState()).toEqual({ status: "signed-out", ended: false });
    expect(await session.token()).toBeNull();
    expect(server.calls).toEqual(["POST /session/refresh"]);
  });

  test("is looked for until there is an answer", async () => {
    server.signedIn = true;
    server.away = true;
    const session = await started();
    expect(status(session)).toBe("starting");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(status(session)).toBe("starting");
    server.away = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(status(session)).toBe("signed-in");
  });

  test("changes its token before that ends, once for all who ask at a time", async () => {
    server.signedIn = true;
    const session = await started();
    expect(await session.token()).toBe("token-1");
    await vi.advanceTimersByTimeAsync(850_000);
    const asked = Promise.all([session.token(), session.token(), session.token()]);
    await vi.advanceTimersByTimeAsync(100);
    expect(await asked).toEqual(["token-2", "token-2", "token-2"]);
  });

  test("changes a token that was refused, and says which", async () => {
    server.signedIn = true;
    const session = await started();
    session.refused("token-0");
    expect(await session.token()).toBe("token-1");
    session.refused("token-1");
    const next = session.token();
    await vi.advanceTimersByTimeAsync(100);
    expect(await next).toBe("token-2");
    expect(server.calls.at(-1)).toBe('POST /session/refresh {"refused":"token-1"}');
  });

  test("that was ended elsewhere says so with the next token", async () => {
    server.signedIn = true;
    const session = await started();
    server.signedIn = false;
    session.refused("token-1");
    const next = session.token();
    await vi.advanceTimersByTimeAsync(100);
    expect(await next).toBeNull();
    expect(session.store.getState()).toEqual({ status: "signed-out", ended: true });
  });

  test("survives that the server is away when a token is needed", async () => {
    server.signedIn = true;
    const session = await started();
    session.refused("token-1");
    server.away = true;
    const failed = expect(session.token()).rejects.toMatchObject({ code: "network" });
    await vi.advanceTimersByTimeAsync(100);
    await failed;
    expect(status(session)).toBe("signed-in");
  });

  test("begins and ends in all tabs", async () => {
    const [first, second] = [await started(), await started()];
    const signing = first.signIn({ login: "ada", password: "secret" });
    await vi.advanceTimersByTimeAsync(100);
    await signing;
    vi.useRealTimers();
    await vi.waitFor(() => expect(status(second)).toBe("signed-in"));
    await second.signOut();
    await vi.waitFor(() => expect(status(first)).toBe("signed-out"));
    expect(first.store.getState()).toEqual({ status: "signed-out", ended: false });
  });
});

import { beforeEach, describe, expect, test, vi } from "vitest";
import { refresh, resetPassword, signIn, signOut } from "@/server/session";

const ORIGIN = "http://chat.test";
const ME = { id: "me", username: "ada" };

/** What the gateway was asked, and what it answers. */
let asked: { path: string; body: Record<string, unknown>; headers: Headers }[];
let answers: (() => Response)[];

beforeEach(() => {
  asked = [];
  answers = [];
  vi.stubEnv("CHAT_GATEWAY_URL", "http://gateway:3000");
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    const body = JSON.parse(init.body as string);
    asked.push({ path: url.replace("http://gateway:3000/api/v1/auth/", ""), body, headers: new Headers(init.headers) });
    const answer = answers.shift();
    if (!answer) throw new TypeError("fetch failed");
    return answer();
  });
});

function json(body: unknown, status = 200, headers: Record<string, string> = {}): () => Response {
  return () =>
    new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
}

function accessToken(seconds: number, name = "token"): string {
  const claims = { exp: Math.floor(Date.now() / 1_000) + seconds, name };
  return `head.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.signature`;
}

let made = 0;
function tokens(seconds = 900) {
  made += 1;
  const access_token = accessToken(seconds, `token-${made}`);
  return { access_token, refresh_token: `refresh-${made}`, expires_in: seconds, token_type: "Bearer" };
}

function request(path: string, body: unknown, headers: Record<string, string> = {}, method = "POST"): Request {
  return new Request(ORIGIN + path, {
    method,
    headers: { "Content-Type": "application/json", Origin: ORIGIN, Host: "chat.test", ...headers },
    ...(method === "DELETE" ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
}

/** The cookies that an answer sets, by name; empty for one that it drops. */
function cookies(answer: Response): Record<string, string> {
  return Object.fromEntries(answer.headers.getSetCookie().map((cookie) => cookie.split(";")[0]?.split("=") ?? []));
}

/** As a browser would send them back. */
function sent(answer: Response): { cookie: string } {
  return {
    cookie: answer.headers
      .getSetCookie()
      .map((cookie) => cookie.split(";")[0])
      .join("; "),
  };
}

async function signedIn(): Promise<Response> {
  answers.push(json({ ...tokens(), user: ME, device_token: "device-1" }));
  return signIn(request("/session", { login: "ada", password: "secret" }));
}

describe("signing in", () => {
  test("keeps from scripts what they must not have", async () => {
    const answer = await signedIn();
    expect(answer.status).toBe(200);
    const body = await answer.json();
    expect(Object.keys(body).sort()).toEqual(["access_token", "expires_in", "token_type", "user"]);
    expect(cookies(answer)).toMatchObject({ chat_device: "device-1", chat_access: body.access_token });
    for (const cookie of answer.headers.getSetCookie()) {
      expect(cookie).toMatch(/; Path=\/session; Max-Age=\d+; HttpOnly; SameSite=Strict$/);
    }
    expect(answer.headers.get("cache-control")).toBe("no-store");
  });

  test("marks the cookies as secure where the edge was reached by HTTPS", async () => {
    answers.push(json({ ...tokens(), user: ME, device_token: "device-1" }));
    const answer = await signIn(
      request("/session", { login: "ada", password: "secret" }, { "X-Forwarded-Proto": "https" }),
    );
    for (const cookie of answer.headers.getSetCookie()) expect(cookie).toMatch(/; Secure$/);
  });

  test("sends the device's token with a sign-in, not with a registration, and says who calls", async () => {
    const about = {
      cookie: "other=1; chat_device=device-1",
      "X-Forwarded-For": "192.0.2.7",
      "X-Request-Id": "request-1",
      "User-Agent": "Firefox",
    };
    await signIn(request("/session", { login: "ada", password: "secret", totp: "123456" }, about));
    await signIn(request("/session", { username: "ada", email: "a@example.org", password: "secret" }, about));
    expect(asked.map(({ path, body }) => [path, body.device_token])).toEqual([
      ["login", "device-1"],
      ["register", undefined],
    ]);
    expect(asked[0]?.body.totp).toBe("123456");
    for (const { headers } of asked) {
      expect(headers.get("x-forwarded-for")).toBe("192.0.2.7");
      expect(headers.get("x-request-id")).toBe("request-1");
      expect(headers.get("user-agent")).toBe("Firefox");
    }
  });

  test("passes a refusal on as it is, without cookies", async () => {
    answers.push(
      json({ code: "totp_required", status: 401 }, 401, { "Retry-After": "3", "X-Request-Id": "request-1" }),
    );
    const answer = await signIn(request("/session", { login: "ada", password: "secret" }));
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ code: "totp_required" });
    expect(answer.headers.get("retry-after")).toBe("3");
    expect(answer.headers.getSetCookie()).toEqual([]);
  });

  test("is a 503 while the gateway is away", async () => {
    const answer = await signIn(request("/session", { login: "ada", password: "secret" }));
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ code: "unavailable", retry_after_ms: 2_000 });
  });
});

describe("fresh tokens", () => {
  test("are those made last, while they are good: a reload spends no refresh token", async () => {
    const session = await signedIn();
    const { access_token } = await session.json();
    const answer = await refresh(request("/session/refresh", {}, sent(session)));
    expect(await answer.json()).toMatchObject({ access_token });
    expect(asked).toHaveLength(1);
  });

  test.each([
    ["refused", 900, true],
    ["about to end", 30, false],
  ])("are made where the last one is %s", async (_, seconds, refused) => {
    const old = accessToken(seconds);
    const next = tokens();
    answers.push(json(next));
    const cookie = `chat_refresh=refresh-old-${made}; chat_access=${old}`;
    const answer = await refresh(request("/session/refresh", refused ? { refused: old } : {}, { cookie }));
    const { access_token, expires_in, token_type } = next;
    expect(await answer.json()).toEqual({ access_token, expires_in, token_type });
    expect(asked[0]).toMatchObject({ path: "refresh", body: { refresh_token: `refresh-old-${made}` } });
    expect(cookies(answer)).toEqual({ chat_refresh: next.refresh_token, chat_access: access_token });
  });

  test("are the same for a tab whose token another tab has changed already", async () => {
    const current = accessToken(900);
    const cookie = `chat_refresh=refresh-x; chat_access=${current}`;
    const answer = await refresh(request("/session/refresh", { refused: accessToken(900, "older") }, { cookie }));
    expect((await answer.json()).access_token).toBe(current);
    expect(asked).toEqual([]);
  });

  test("spend a refresh token once for two tabs at a moment, and for a page that never got its answer", async () => {
    answers.push(json(tokens()));
    const ask = () => refresh(request("/session/refresh", {}, { cookie: "chat_refresh=refresh-twice" }));
    const both = await Promise.all([ask(), ask()]);
    const again = await ask();
    const bodies = await Promise.all([...both, again].map((answer) => answer.json()));
    expect(new Set(bodies.map(({ access_token }) => access_token)).size).toBe(1);
    expect(asked).toHaveLength(1);
  });

  test("end the session here when the gateway says that it is over", async () => {
    answers.push(json({ code: "signed_out", status: 401 }, 401));
    const answer = await refresh(request("/session/refresh", {}, { cookie: "chat_refresh=spent" }));
    expect(answer.status).toBe(401);
    expect(cookies(answer)).toEqual({ chat_refresh: "", chat_access: "" });
  });

  test.each([
    [json({ code: "unavailable", status: 503 }, 503)],
    [json({ code: "too_many", status: 429 }, 429)],
    [undefined],
  ])("leave the session alone when the gateway cannot say, and ask again next time", async (failure) => {
    if (failure) answers.push(failure);
    const cookie = `chat_refresh=refresh-later-${made}`;
    const answer = await refresh(request("/session/refresh", {}, { cookie }));
    expect([429, 503]).toContain(answer.status);
    expect(answer.headers.getSetCookie()).toEqual([]);
    answers.push(json(tokens()));
    expect((await refresh(request("/session/refresh", {}, { cookie }))).status).toBe(200);
  });

  test("are not there for a browser that nobody is signed in with", async () => {
    const answer = await refresh(request("/session/refresh", {}));
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ code: "signed_out" });
    expect(asked).toEqual([]);
  });
});

describe("signing out", () => {
  test("ends the session and forgets it, and keeps the device known", async () => {
    const session = await signedIn();
    answers.push(() => new Response(null, { status: 204 }));
    const answer = await signOut(request("/session", null, sent(session), "DELETE"));
    expect(answer.status).toBe(204);
    expect(asked.at(-1)).toMatchObject({ path: "logout", body: { refresh_token: cookies(session).chat_refresh } });
    expect(cookies(answer)).toEqual({ chat_refresh: "", chat_access: "" });
  });

  test("forgets the session although the gateway is away", async () => {
    const answer = await signOut(request("/session", null, { cookie: "chat_refresh=refresh-1" }, "DELETE"));
    expect(answer.status).toBe(204);
    expect(cookies(answer)).toEqual({ chat_refresh: "", chat_access: "" });
  });
});

test("a new password by mail makes the device known, out of reach of scripts", async () => {
  answers.push(json({ device_token: "device-2" }));
  const answer = await resetPassword(request("/session/reset", { token: "mailed", new_password: "new secret" }));
  expect(answer.status).toBe(204);
  expect(asked[0]).toMatchObject({ path: "password/reset", body: { token: "mailed", new_password: "new secret" } });
  expect(cookies(answer)).toMatchObject({ chat_device: "device-2", chat_refresh: "" });
});

describe("a request", () => {
  test.each<[string, Record<string, string>]>([
    ["of another origin", { Origin: "http://evil.test" }],
    ["of another port", { Origin: "http://chat.test:8080" }],
    ["of an opaque origin", { Origin: "null" }],
    ["of another site by the browser's word", { "Sec-Fetch-Site": "cross-site" }],
    ["of a sibling site", { "Sec-Fetch-Site": "same-site" }],
    ["without any origin", { Origin: "" }],
  ])("%s is refused before anything is done", async (_, headers) => {
    for (const handle of [signIn, refresh, resetPassword]) {
      const answer = await handle(
        request("/session", { login: "ada" }, { cookie: "chat_refresh=refresh-1", ...headers }),
      );
      expect(answer.status).toBe(403);
      expect(answer.headers.getSetCookie()).toEqual([]);
    }
    expect((await signOut(request("/session", null, headers, "DELETE"))).status).toBe(403);
    expect(asked).toEqual([]);
  });

  test("through a proxy that names the host that was asked for is one of ours", async () => {
    const headers = { Origin: "https://chat.example.org", "X-Forwarded-Host": "chat.example.org" };
    expect((await refresh(request("/session/refresh", {}, headers))).status).toBe(401);
  });

  test.each<[string, unknown, Record<string, string>, number]>([
    ["a form", "login=ada", { "Content-Type": "application/x-www-form-urlencoded" }, 415],
    ["no JSON", "{", {}, 400],
    ["no object", "[1]", {}, 400],
    ["very long", { login: "a".repeat(20_000) }, {}, 413],
  ])("that is %s is refused", async (_, body, headers, status) => {
    expect((await signIn(request("/session", body, headers))).status).toBe(status);
    expect(asked).toEqual([]);
  });
});

import { beforeEach, describe, expect, test, vi } from "vitest";
import { call, createApi, ok, type TokenSource } from "@/api/client";
import { Problem } from "@/api/problem";

const ORIGIN = "http://chat.test";

let sent: Request[];
let answers: (Response | Error)[];
let tokens: TokenSource & { readonly refusedOnes: string[] };

beforeEach(() => {
  sent = [];
  answers = [];
  const refusedOnes: string[] = [];
  tokens = {
    refusedOnes,
    token: async () => `token-${refusedOnes.length + 1}`,
    refused: (token) => void refusedOnes.push(token),
  };
  vi.stubGlobal("fetch", async (request: Request) => {
    sent.push(request);
    const answer = answers.shift() ?? new Response(null, { status: 204 });
    if (answer instanceof Error) throw answer;
    return answer;
  });
});

function problem(status: number, body: Record<string, unknown>, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": "application/problem+json", ...headers },
  });
}

describe("a call", () => {
  test("is sent once more, with its body, when its token is refused", async () => {
    answers = [problem(401, { code: "unauthorized" }), Response.json({ id: "made" }, { status: 201 })];
    const body = { reason: "spam", comment: "" } as const;
    const params = { path: { message_id: "message" } };
    const api = createApi(tokens, ORIGIN);
    expect(await ok(api.POST("/api/v1/messages/{message_id}/reports", { params, body }))).toEqual({ id: "made" });
    expect(sent.map((request) => request.headers.get("authorization"))).toEqual(["Bearer token-1", "Bearer token-2"]);
    expect(await sent[1]?.json()).toEqual(body);
    expect(tokens.refusedOnes).toEqual(["token-1"]);
  });

  test("carries no token where nobody is signed in, and is not repeated", async () => {
    tokens.token = async () => null;
    answers = [problem(401, { code: "unauthorized", status: 401 })];
    await expect(call(tokens, new Request(`${ORIGIN}/x`))).rejects.toMatchObject({ code: "unauthorized" });
    expect(sent).toHaveLength(1);
    expect(sent[0]?.headers.has("authorization")).toBe(false);
  });

  test("rejects with the problem that it is answered with", async () => {
    const errors = [{ field: "body.name", message: "too long" }];
    answers = [problem(422, { code: "invalid", status: 422, detail: "No.", request_id: "request-1", errors })];
    const failure = await call(tokens, new Request(`${ORIGIN}/x`)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Problem);
    expect(failure).toMatchObject({ code: "invalid", detail: "No.", requestId: "request-1", errors, passing: false });
  });

  test.each<[string, Response | Error, Partial<Problem>]>([
    ["that nobody answers", new TypeError("Failed to fetch"), { code: "network", status: 0, passing: true }],
    ["that takes too long", new DOMException("late", "TimeoutError"), { code: "timeout", status: 0, passing: true }],
    [
      "of an edge without servers",
      new Response("<h1>503</h1>", { status: 503 }),
      { code: "unavailable", passing: true },
    ],
    [
      "beyond a limit",
      problem(429, { code: "rate_limited" }, { "Retry-After": "7" }),
      { code: "rate_limited", retryAfterMs: 7_000, passing: true },
    ],
    [
      "for later, to the millisecond",
      problem(503, { code: "unavailable", retry_after_ms: 1_234 }, { "Retry-After": "2" }),
      { retryAfterMs: 1_234, passing: true },
    ],
  ])("%s says so", async (_, answer, expected) => {
    answers = [answer];
    await expect(call(tokens, new Request(`${ORIGIN}/x`))).rejects.toMatchObject(expected);
  });

  test("that was given up rejects as that", async () => {
    const abort = new AbortController();
    abort.abort();
    answers = [new DOMException("given up", "AbortError")];
    const request = new Request(`${ORIGIN}/x`, { signal: abort.signal });
    await expect(call(tokens, request)).rejects.toMatchObject({ name: "AbortError" });
  });
});

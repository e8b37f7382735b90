/**
 * `/session`: signing in and out, and fresh access tokens, for the browser. The answers are the gateway's, but what
 * scripts must not have goes into cookies. Access tokens are kept there as well, so that a reload spends no refresh token.
 */

import { randomUUID } from "node:crypto";
import { dropCookie, LONG_SECONDS, readCookie, setCookie } from "./cookies";
import { callGateway } from "./gateway";
import { sessionCalls } from "./metrics";
import { isOwnPage } from "./origin";
import { problem } from "./problems";
import { Rotations } from "./rotation";

const MOST_BYTES = 16 * 1024;
/** An access token that ends sooner than this is changed, in s. */
const LEAST_SECONDS = 90;
const RETRY_SECONDS = 2;

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
  readonly token_type: string;
}

/** What the gateway said to a refresh: the tokens, or the response that refuses them, as it is passed on. */
type Refreshed = { readonly tokens: Tokens } | { readonly refusal: Passed };

interface Passed {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

const rotations = new Rotations<Refreshed>();

/** `POST /session` with `{login, password, totp?}` or what a registration has: the gateway's answer without its secrets. */
export function signIn(request: Request): Promise<Response> {
  return handled("sign_in", request, async (body) => {
    const device_token = readCookie(request, "device");
    const known = "login" in body;
    const sent = known && device_token ? { ...body, device_token } : body;
    const passed = await pass(await callGateway(request, known ? "login" : "register", sent));
    if (passed.status >= 300) return respond(passed);
    const { refresh_token, device_token: device, ...rest } = JSON.parse(passed.body);
    const answer = respond({ ...passed, body: JSON.stringify(rest) });
    keep(answer, request, { ...rest, refresh_token });
    setCookie(answer, request, "device", device, LONG_SECONDS);
    return answer;
  });
}

/**
 * `POST /session/refresh {refused?}`: `{access_token, expires_in, token_type}`. `refused` is an access token that was not
 * taken any more; without it the one made last is given again while it is good. 401 `signed_out`: there is no session.
 */
export function refresh(request: Request): Promise<Response> {
  return handled("refresh", request, async (body) => {
    const access_token = readCookie(request, "access");
    const expires_in = access_token && access_token !== body.refused ? secondsLeft(access_token) : 0;
    if (expires_in >= LEAST_SECONDS) return json({ access_token, expires_in, token_type: "Bearer" });
    const refresh_token = readCookie(request, "refresh");
    if (!refresh_token) return problem(401, "signed_out", "Nobody is signed in here.", about(request));
    const refreshed = await rotations.of(refresh_token, () => rotate(request, refresh_token));
    if ("tokens" in refreshed) {
      const { access_token, expires_in, token_type } = refreshed.tokens;
      const answer = json({ access_token, expires_in, token_type });
      keep(answer, request, refreshed.tokens);
      return answer;
    }
    const answer = respond(refreshed.refusal);
    if (refreshed.refusal.status === 401) forget(answer, request);
    return answer;
  });
}

/** `DELETE /session`: signs out. 204 also when the gateway is away: this browser forgets its tokens in any case. */
export function signOut(request: Request): Promise<Response> {
  return handled("sign_out", request, async () => {
    const refresh_token = readCookie(request, "refresh");
    if (refresh_token) await callGateway(request, "logout", { refresh_token }).catch(() => undefined);
    const answer = new Response(null, { status: 204 });
    forget(answer, request);
    return answer;
  });
}

/** `POST /session/reset {token, new_password}`: sets a new password by mail, which makes this device a known one. 204. */
export function resetPassword(request: Request): Promise<Response> {
  return handled("reset", request, async (body) => {
    const passed = await pass(await callGateway(request, "password/reset", body));
    if (passed.status >= 300) return respond(passed);
    const answer = new Response(null, { status: 204 });
    setCookie(answer, request, "device", JSON.parse(passed.body).device_token, LONG_SECONDS);
    // Every session has ended by it.
    forget(answer, request);
    return answer;
  });
}

async function rotate(request: Request, refresh_token: string): Promise<Refreshed> {
  const passed = await pass(await callGateway(request, "refresh", { refresh_token }));
  if (passed.status >= 500 || passed.status === 429) throw new NotNow(passed);
  return passed.status === 200 ? { tokens: JSON.parse(passed.body) } : { refusal: passed };
}

/** The gateway cannot say at the moment. */
class NotNow extends Error {
  constructor(readonly passed: Passed) {
    super(`The gateway answered ${passed.status}`);
  }
}

/** Refuses what no page of ours sent, gives the body to `work`, and says 503 where the gateway does not answer. */
async function handled(
  action: string,
  request: Request,
  work: (body: Record<string, unknown>) => Promise<Response>,
): Promise<Response> {
  const answer = await checked(request, work);
  sessionCalls().inc({ action, status: String(answer.status) });
  answer.headers.set("Cache-Control", "no-store");
  return answer;
}

async function checked(
  request: Request,
  work: (body: Record<string, unknown>) => Promise<Response>,
): Promise<Response> {
  if (!isOwnPage(request))
    return problem(403, "cross_origin", "Only pages of this origin may do that.", about(request));
  let body: Record<string, unknown> = {};
  if (request.method !== "DELETE") {
    if (!request.headers.get("content-type")?.startsWith("application/json")) {
      return problem(415, "not_json", "Send a JSON object.", about(request));
    }
    const text = await request.text();
    if (text.length > MOST_BYTES) return problem(413, "too_large", "That is too long.", about(request));
    const parsed = parse(text);
    if (!parsed) return problem(400, "not_json", "Send a JSON object.", about(request));
    body = parsed;
  }
  try {
    return await work(body);
  } catch (error) {
    if (error instanceof NotNow) return respond(error.passed);
    const options = { ...about(request), retryAfter: RETRY_SECONDS };
    return problem(503, "unavailable", "The gateway does not answer. Try again in a moment.", options);
  }
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

function keep(answer: Response, request: Request, { refresh_token, access_token, expires_in }: Tokens): void {
  setCookie(answer, request, "refresh", refresh_token, LONG_SECONDS);
  setCookie(answer, request, "access", access_token, expires_in);
}

function forget(answer: Response, request: Request): void {
  dropCookie(answer, request, "refresh");
  dropCookie(answer, request, "access");
}

/** How long an access token is good for by its own word; the services are those who check it. */
function secondsLeft(token: string): number {
  try {
    const { exp } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    return Math.floor(exp - Date.now() / 1_000) || 0;
  } catch {
    return 0;
  }
}

const KEPT_HEADERS = ["content-type", "x-request-id", "retry-after", "ratelimit", "ratelimit-policy"];

async function pass(response: Response): Promise<Passed> {
  const headers = new Headers();
  for (const name of KEPT_HEADERS) {
    const value = response.headers.get(name);
    if (value) headers.set(name, value);
  }
  return { status: response.status, headers, body: await response.text() };
}

function respond({ status, headers, body }: Passed): Response {
  return new Response(body, { status, headers: new Headers(headers) });
}

function json(body: unknown): Response {
  return new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } });
}

function about(request: Request): { requestId: string } {
  return { requestId: request.headers.get("x-request-id") ?? randomUUID() };
}

/** The REST API as its own document types it: `ok(api.GET("/api/v1/users/me"))` is the answer's body, or throws a Problem. */

import createClient, { type Client } from "openapi-fetch";
import { Problem } from "./problem";
import type { paths } from "./schema";

export type Api = Client<paths>;

/** Where access tokens come from. */
export interface TokenSource {
  /** A token that is good for some time yet, refreshed when needed; null when nobody is signed in. Rejects with a Problem. */
  token(): Promise<string | null>;
  /** The server has refused this token: the next `token()` must not give it again. */
  refused(token: string): void;
}

/** A call without an answer is given up after this. */
const ANSWER_MS = 30_000;

/** A client of the gateway at `origin`, empty for the page's own. Anything but 2xx rejects with a Problem. */
export function createApi(tokens: TokenSource, origin = ""): Api {
  return createClient<paths>({ baseUrl: origin, fetch: (request) => call(tokens, request) });
}

/**
 * The 2xx response to a request that is sent with the access token, and once more with a fresh one where that was
 * refused. Rejects with a Problem, or with the AbortError of whoever gave it up.
 */
export async function call(tokens: TokenSource, request: Request): Promise<Response> {
  const token = await tokens.token();
  const again = request.clone();
  let response = await send(request, token);
  if (response.status === 401 && token) {
    tokens.refused(token);
    response = await send(again, await tokens.token());
  }
  if (!response.ok) throw await Problem.of(response);
  return response;
}

async function send(request: Request, token: string | null): Promise<Response> {
  if (token) request.headers.set("Authorization", `Bearer ${token}`);
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(ANSWER_MS)]);
  try {
    return await fetch(request, { signal });
  } catch (error) {
    throw request.signal.aborted ? error : Problem.from(error);
  }
}

/** The body of an answer. */
export async function ok<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}

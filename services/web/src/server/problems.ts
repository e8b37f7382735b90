/** Problem documents (RFC 9457), as the services answer with. */

interface Options {
  readonly requestId: string;
  /** When to try again, in seconds. */
  readonly retryAfter?: number;
}

export function problem(status: number, code: string, detail: string, { requestId, retryAfter }: Options): Response {
  const body = {
    type: `urn:chatcluster:problem:${code}`,
    title: TITLES[status] ?? "Error",
    status,
    detail,
    code,
    request_id: requestId,
    ...(retryAfter === undefined ? {} : { retry_after_ms: retryAfter * 1_000 }),
  };
  const headers = new Headers({ "Content-Type": "application/problem+json", "Cache-Control": "no-store" });
  headers.set("X-Request-Id", requestId);
  if (retryAfter !== undefined) headers.set("Retry-After", String(retryAfter));
  return new Response(JSON.stringify(body), { status, headers });
}

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  503: "Service Unavailable",
};

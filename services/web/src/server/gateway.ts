/** Calls of the gateway's `/api/v1/auth` on behalf of a browser. */

import { gatewaySeconds } from "./metrics";
import { settings } from "./settings";

/** Headers of the browser, and of the edge about it, that the gateway goes by: limits, audit, traces, device names. */
const PASSED_ON = [
  "user-agent",
  "accept-language",
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
  "x-request-id",
  "traceparent",
  "tracestate",
];

const ANSWER_MS = 15_000;

/** Rejects when the gateway does not answer. */
export async function callGateway(request: Request, path: string, body: unknown): Promise<Response> {
  const headers = new Headers({ "Content-Type": "application/json" });
  for (const name of PASSED_ON) {
    const value = request.headers.get(name);
    if (value) headers.set(name, value);
  }
  const end = gatewaySeconds().startTimer({ path });
  try {
    const url = `${settings().gatewayUrl}/api/v1/auth/${path}`;
    const signal = AbortSignal.timeout(ANSWER_MS);
    const response = await fetch(url, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
      signal,
      cache: "no-store",
    });
    end({ status: String(response.status) });
    return response;
  } catch (error) {
    end({ status: "none" });
    throw error;
  }
}

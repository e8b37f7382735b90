/** Metrics of the web server, in Prometheus's text format. */

import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Counter, collectDefaultMetrics, Histogram, register } from "prom-client";

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** The metric of that name, made once in the process. */
function once<T>(name: string, make: () => T): T {
  return (register.getSingleMetric(name) as T | undefined) ?? make();
}

export function sessionCalls(): Counter<"action" | "status"> {
  const name = "chat_web_session_calls_total";
  const help = "Calls of /session, by what was asked for and the status of the answer.";
  return once(name, () => new Counter({ name, help, labelNames: ["action", "status"] }));
}

export function gatewaySeconds(): Histogram<"path" | "status"> {
  const name = "chat_web_gateway_seconds";
  const help = "Calls of the gateway, by path and status; none: it did not answer.";
  return once(name, () => new Histogram({ name, help, labelNames: ["path", "status"], buckets: SECONDS }));
}

function requestSeconds(): Histogram<"kind" | "status"> {
  const name = "chat_web_request_seconds";
  const help = "Requests, by what they ask for (page, asset, session) and the status of the answer.";
  return once(name, () => new Histogram({ name, help, labelNames: ["kind", "status"], buckets: SECONDS }));
}

/** Begins to measure the process and every request that it answers. */
export function measure(): void {
  collectDefaultMetrics();
  const histogram = requestSeconds();
  const begun = new WeakMap<IncomingMessage, bigint>();
  subscribe("http.server.request.start", (message) => {
    begun.set((message as { request: IncomingMessage }).request, process.hrtime.bigint());
  });
  subscribe("http.server.response.finish", (message) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
    const kind = kindOf(request.url ?? "");
    const start = begun.get(request);
    if (!kind || start === undefined) return;
    histogram.observe({ kind, status: String(response.statusCode) }, Number(process.hrtime.bigint() - start) / 1e9);
  });
}

/** Null for what Kubernetes and Prometheus ask. */
function kindOf(url: string): "page" | "asset" | "session" | null {
  if (/^\/(livez|readyz|metrics)$/.test(url)) return null;
  if (url.startsWith("/_next/static/")) return "asset";
  return url.startsWith("/session") ? "session" : "page";
}

export async function metricsPage(): Promise<Response> {
  return new Response(await register.metrics(), { headers: { "Content-Type": register.contentType } });
}

/**
 * Whether the process lives and takes requests, and how it ends. It is ready without the gateway too: pages load, and say
 * themselves what is away.
 */

import { state } from "./process";
import type { Settings } from "./settings";

export function livez(): Response {
  return Response.json({ live: true, not_live: [] });
}

export function readyz(): Response {
  const why = state().draining ? ["draining"] : [];
  return Response.json({ ready: !why.length, not_ready: why }, { status: why.length ? 503 : 200 });
}

/**
 * Has SIGTERM drain: not ready at first, so that the edge sends nothing new, then Next.js's own end, which answers what
 * has begun. The process ends with 0, at the latest after `drainMs`.
 */
export function drainOnTerm({ drainMs, noticeMs }: Pick<Settings, "drainMs" | "noticeMs">): void {
  const end = process.listeners("SIGTERM");
  process.removeAllListeners("SIGTERM");
  process.once("SIGTERM", () => {
    state().draining = true;
    process.once("exit", () => {
      process.exitCode = 0;
    });
    setTimeout(() => process.exit(0), drainMs).unref();
    setTimeout(() => {
      if (!end.length) process.exit(0);
      for (const listener of end) listener("SIGTERM");
    }, noticeMs);
  });
}

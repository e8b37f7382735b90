/** What is one in the process: Next.js bundles routes apart, and each bundle has modules of its own. */

const KEY = Symbol.for("chatcluster.web");

interface Process {
  /** Whether it ends soon: it is not ready, and still answers. */
  draining: boolean;
}

export function state(): Process {
  const shared = globalThis as typeof globalThis & { [KEY]?: Process };
  shared[KEY] ??= { draining: false };
  return shared[KEY];
}

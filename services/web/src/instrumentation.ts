/** Runs once when the server starts, before it takes requests. */
export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME !== "nodejs") return;
  const [{ drainOnTerm }, { measure }, { settings }] = await Promise.all([
    import("./server/health"),
    import("./server/metrics"),
    import("./server/settings"),
  ]);
  drainOnTerm(settings());
  measure();
}

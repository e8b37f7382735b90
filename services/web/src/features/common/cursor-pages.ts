/** Lists that page by cursor, as the contract has them: `?limit=&cursor=` gives `{items, next_cursor}`. */

interface Page {
  readonly next_cursor: string | null;
}

/** The part of an infinite query's options that is the same for all of them; `limit` is the length of a page. */
export function cursorPages<Answer extends Page>(
  limit: number,
  fetch: (page: { limit: number; cursor?: string }, signal: AbortSignal) => Promise<Answer>,
) {
  return {
    initialPageParam: "",
    queryFn: ({ pageParam, signal }: { pageParam: string; signal: AbortSignal }) =>
      fetch({ limit, ...(pageParam ? { cursor: pageParam } : {}) }, signal),
    getNextPageParam: (page: Answer) => page.next_cursor,
  };
}

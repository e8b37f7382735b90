"use client";

import { type InfiniteData, type UseInfiniteQueryResult, useInfiniteQuery } from "@tanstack/react-query";
import { ok } from "@/api/client";
import type { components } from "@/api/schema";
import type { SearchFilters } from "../types";
import { useApi } from "./provider";

type Page = components["schemas"]["SearchPage"];

/** Messages found, in pages, the best match first; nothing is asked for while `query` is empty. */
export function useSearch(filters: SearchFilters): UseInfiniteQueryResult<InfiniteData<Page, string | null>> {
  const api = useApi();
  const { query, conversationId = null, from = null, before = null, after = null, hasFile = false } = filters;
  const asked = {
    query: query.trim(),
    conversation_id: conversationId,
    from,
    before,
    after,
    has: hasFile ? ("file" as const) : null,
  };
  return useInfiniteQuery({
    queryKey: ["search", asked],
    enabled: asked.query !== "",
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) =>
      ok(
        api.GET("/api/v1/messages/search", {
          params: { query: { ...present(asked), ...present({ cursor: pageParam }) } },
          signal,
        }),
      ),
    getNextPageParam: (page: Page) => page.next_cursor,
  });
}

type Present<T> = { [K in keyof T]: Exclude<T[K], null> };

/** Without the fields that are null: an empty parameter is a value, too. */
function present<T extends object>(values: T): Present<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null)) as Present<T>;
}

"use client";

import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useDeferredValue } from "react";
import { ok } from "@/api/client";
import { useApi } from "@/core/react";

/** People whose names fit, in pages. Nothing is asked for while the query is empty. */
export function usePersonSearch(text: string) {
  const api = useApi();
  const query = useDeferredValue(text.trim());
  return useInfiniteQuery({
    queryKey: ["users", "search", query],
    enabled: query !== "",
    placeholderData: keepPreviousData,
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) =>
      ok(
        api.GET("/api/v1/users", {
          params: { query: { query, limit: 30, ...(pageParam ? { cursor: pageParam } : {}) } },
          signal,
        }),
      ),
    getNextPageParam: (page) => page.next_cursor,
  });
}

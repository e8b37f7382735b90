"use client";

import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useDeferredValue } from "react";
import { ok } from "@/api/client";
import { useApi } from "@/core/react";
import { cursorPages } from "../common/cursor-pages";

/** People whose names fit, in pages. Nothing is asked for while the query is empty. */
export function usePersonSearch(text: string) {
  const api = useApi();
  const query = useDeferredValue(text.trim());
  return useInfiniteQuery({
    queryKey: ["users", "search", query],
    enabled: query !== "",
    placeholderData: keepPreviousData,
    ...cursorPages(30, (page, signal) =>
      ok(api.GET("/api/v1/users", { params: { query: { ...page, query } }, signal })),
    ),
  });
}

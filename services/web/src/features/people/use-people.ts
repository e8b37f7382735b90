"use client";

import { useQueries } from "@tanstack/react-query";
import { personQuery, useApi } from "@/core/react";
import type { Person } from "@/core/types";

const byId = (results: readonly { data: Person | null | undefined }[]) =>
  new Map(results.flatMap(({ data }) => (data ? [[data.id, data] as const] : [])));

/** The profiles of several people by their ids, as far as they are loaded. */
export function usePeople(ids: readonly string[]): ReadonlyMap<string, Person> {
  const api = useApi();
  return useQueries({
    queries: ids.map((id) => personQuery(api, id)),
    combine: byId,
  });
}

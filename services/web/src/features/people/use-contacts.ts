"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { type Api, ok } from "@/api/client";
import type { components } from "@/api/schema";
import { useApi } from "@/core/react";

export type Contact = components["schemas"]["Contact"];

const KEY = ["contacts"];

async function allContacts(api: Api, signal: AbortSignal): Promise<Contact[]> {
  const found: Contact[] = [];
  let cursor: string | null | undefined;
  do {
    const query: { limit: number; cursor?: string } = { limit: 100, ...(cursor ? { cursor } : {}) };
    const page = await ok(api.GET("/api/v1/contacts", { params: { query }, signal }));
    found.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return found;
}

/** Contacts, requests and blocks of the reader, all of them. */
export function useContacts() {
  const api = useApi();
  return useQuery({ queryKey: KEY, queryFn: ({ signal }) => allContacts(api, signal) });
}

/** What can be done about somebody. All reject with Problems; the list follows. */
export function useContactActions() {
  const api = useApi();
  const queries = useQueryClient();
  return useMemo(() => {
    const then = async (answer: Promise<unknown>) => {
      await answer;
      await queries.invalidateQueries({ queryKey: KEY });
    };
    const params = (user_id: string) => ({ path: { user_id } });
    return {
      ask: (user_id: string) => then(ok(api.POST("/api/v1/contacts", { body: { user_id } }))),
      accept: (id: string) =>
        then(ok(api.PATCH("/api/v1/contacts/{user_id}", { params: params(id), body: { state: "accepted" } }))),
      block: (id: string) =>
        then(ok(api.PATCH("/api/v1/contacts/{user_id}", { params: params(id), body: { state: "blocked" } }))),
      /** Withdraws, declines, ends or lifts a block. */
      end: (id: string) => then(ok(api.DELETE("/api/v1/contacts/{user_id}", { params: params(id) }))),
    };
  }, [api, queries]);
}

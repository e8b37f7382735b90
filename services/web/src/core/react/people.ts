"use client";

import { queryOptions, type UseQueryResult, useQuery } from "@tanstack/react-query";
import { type Api, ok } from "@/api/client";
import { type Message, type Person, Problem } from "../types";
import { useApi } from "./provider";

/** The query of a person's profile, which is null when there is nobody (any more): one entry for all who show them. */
export function personQuery(api: Api, id: string) {
  return queryOptions({
    queryKey: ["person", id],
    staleTime: 10 * 60_000,
    queryFn: async ({ signal }): Promise<Person | null> => {
      try {
        return await ok(api.GET("/api/v1/users/{user_id}", { params: { path: { user_id: id } }, signal }));
      } catch (error) {
        if (Problem.from(error).status === 404) return null;
        throw error;
      }
    },
  });
}

/** A person's profile; undefined while it is loaded, null when there is nobody (any more). */
export function usePerson(id: string | null | undefined): Person | null | undefined {
  const api = useApi();
  return useQuery({ ...personQuery(api, id ?? ""), enabled: Boolean(id) }).data;
}

/** The pinned messages, the newest pin first. `pins` of the conversation is part of the key: a change loads them anew. */
export function usePins(
  conversationId: string,
  pins: readonly { readonly message_id: string }[],
): UseQueryResult<readonly Message[]> {
  const api = useApi();
  return useQuery({
    queryKey: ["pins", conversationId, pins.map((pin) => pin.message_id)],
    queryFn: async ({ signal }) => {
      const params = { path: { conversation_id: conversationId } };
      return (await ok(api.GET("/api/v1/conversations/{conversation_id}/pins", { params, signal }))).items;
    },
  });
}

/** The ids of who is told of replies to a message. */
export function useFollowers(messageId: string): UseQueryResult<readonly string[]> {
  const api = useApi();
  return useQuery({
    queryKey: ["followers", messageId],
    queryFn: async ({ signal }) => {
      const params = { path: { message_id: messageId } };
      return (await ok(api.GET("/api/v1/messages/{message_id}/followers", { params, signal }))).items;
    },
  });
}

/** Earlier texts of a message. Its `revision` is part of the key: an edit loads them anew. */
export function useVersions(message: Message): UseQueryResult<readonly { body: string; edited_at: string }[]> {
  const api = useApi();
  return useQuery({
    queryKey: ["versions", message.id, message.revision],
    queryFn: async ({ signal }) => {
      const params = { path: { message_id: message.id } };
      return (await ok(api.GET("/api/v1/messages/{message_id}/history", { params, signal }))).items;
    },
  });
}

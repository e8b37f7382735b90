"use client";

import { type UseQueryResult, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type Api, ok } from "@/api/client";
import type { ConversationNotifications, NotificationPreferences } from "../types";
import { useApi } from "./provider";

const KEY = ["notification-preferences"];
const DEFAULT: ConversationNotifications = { level: null, mutedUntil: null };

/** What the person wants to be told of, and how. A problem `not_installed`: this installation has no notifications. */
export function useNotificationPreferences(): UseQueryResult<NotificationPreferences> {
  const api = useApi();
  return useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => ok(api.GET("/api/v1/notifications/preferences", { signal })),
  });
}

/** The choice for one conversation, undefined until it is known, and how to change it (rejects with a Problem). */
export function useConversationNotifications(conversationId: string): {
  readonly choice: ConversationNotifications | undefined;
  set(choice: ConversationNotifications): Promise<void>;
} {
  const api = useApi();
  const queries = useQueryClient();
  const { data } = useNotificationPreferences();
  const { mutateAsync } = useMutation({
    mutationFn: (choice: ConversationNotifications) => put(api, conversationId, choice),
    onSettled: () => queries.invalidateQueries({ queryKey: KEY }),
  });
  const own = data?.conversations?.[conversationId];
  const choice = own ? { level: own.level ?? null, mutedUntil: own.muted_until ?? null } : DEFAULT;
  return { choice: data && choice, set: mutateAsync };
}

async function put(api: Api, conversationId: string, { level, mutedUntil }: ConversationNotifications): Promise<void> {
  const path = "/api/v1/notifications/preferences/conversations/{conversation_id}";
  const params = { path: { conversation_id: conversationId } };
  if (level === null && mutedUntil === null) await ok(api.DELETE(path, { params }));
  else await ok(api.PUT(path, { params, body: { level, muted_until: mutedUntil } }));
}

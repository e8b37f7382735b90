"use client";

import { useQuery } from "@tanstack/react-query";
import { useDeferredValue, useMemo } from "react";
import { useTranslations } from "use-intl";
import { ok } from "@/api/client";
import { useApi, useConversation, useConversations, useMe } from "@/core/react";
import type { Person } from "@/core/types";
import { permissionsIn } from "../conversation/permissions";
import { findEmoji, loadEmoji } from "../emoji/emoji";
import { usePeople } from "../people/use-people";
import { ranked, type Trigger } from "./completion";

export interface Suggestion {
  key: string;
  /** What is put into the text. */
  text: string;
  label: string;
  detail: string;
  person: Person | null;
  /** Drawn in place of a person's picture. */
  sign: string | null;
}

const LIMIT = 8;
/** Conversations of up to so many people are searched on the device. */
const KNOWN_MEMBERS = 100;
const NOBODY: readonly string[] = [];

/** What fits at the caret: people of the conversation, the reader's channels, or emoji. */
export function useSuggestions(conversationId: string, trigger: Trigger | null): readonly Suggestion[] {
  const query = useDeferredValue(trigger?.query ?? "");
  const kind = trigger?.kind;
  const people = usePersonSuggestions(conversationId, kind === "person" ? query : null);
  const channels = useChannelSuggestions(kind === "channel" ? query : null);
  const emoji = useEmojiSuggestions(kind === "emoji" ? query : null);
  return kind === "person" ? people : kind === "channel" ? channels : kind === "emoji" ? emoji : [];
}

function usePersonSuggestions(conversationId: string, query: string | null): readonly Suggestion[] {
  const t = useTranslations("composer");
  const api = useApi();
  const me = useMe();
  const conversation = useConversation(conversationId);
  const members = useMemo(() => conversation?.members.map((member) => member.user_id) ?? [], [conversation?.members]);
  const small = members.length <= KNOWN_MEMBERS;
  const known = usePeople(query !== null && small ? members : NOBODY);
  const { data: found } = useQuery({
    queryKey: ["users", query],
    enabled: query !== null && query !== "" && !small,
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/users", { params: { query: { query: query ?? "", limit: 50 } }, signal })),
  });
  return useMemo(() => {
    if (query === null || !conversation) return [];
    const candidates = small ? [...known.values()] : (found?.items ?? []).filter((one) => members.includes(one.id));
    const others = candidates.filter((one) => one.id !== me.id);
    const fitting = ranked(others, query, (one) => [one.username, one.display_name], LIMIT);
    const all: Suggestion[] = permissionsIn(conversation, me).mentionEverybody
      ? [
          { key: "all", text: "@all", label: "@all", detail: t("everybody"), person: null, sign: "@" },
          { key: "here", text: "@here", label: "@here", detail: t("here"), person: null, sign: "@" },
        ]
      : [];
    return [
      ...fitting.map((person) => ({
        key: person.id,
        text: `@${person.username}`,
        label: person.display_name,
        detail: `@${person.username}`,
        person,
        sign: null,
      })),
      ...ranked(all, query, (one) => [one.key], 2),
    ].slice(0, LIMIT);
  }, [query, conversation, small, known, found, members, me, t]);
}

function useChannelSuggestions(query: string | null): readonly Suggestion[] {
  const { items } = useConversations();
  return useMemo(() => {
    if (query === null) return [];
    const channels = items.filter((one) => one.type === "channel" && one.name && !/\s/.test(one.name));
    return ranked(channels, query, (one) => [one.name ?? ""], LIMIT).map((channel) => ({
      key: channel.id,
      text: `#${channel.name}`,
      label: channel.name ?? "",
      detail: channel.topic ?? "",
      person: null,
      sign: "#",
    }));
  }, [query, items]);
}

function useEmojiSuggestions(query: string | null): readonly Suggestion[] {
  const { data } = useQuery({ queryKey: ["emoji"], enabled: query !== null, staleTime: Infinity, queryFn: loadEmoji });
  return useMemo(
    () =>
      query === null || !data
        ? []
        : findEmoji(data, query, LIMIT).map(({ emoji, names }) => ({
            key: emoji,
            text: emoji,
            label: `:${names[0]}:`,
            detail: "",
            person: null,
            sign: emoji,
          })),
    [query, data],
  );
}

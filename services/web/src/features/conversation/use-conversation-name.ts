"use client";

import { useFormatter, useTranslations } from "use-intl";
import { useMe } from "@/core/react";
import type { Conversation } from "@/core/types";
import { usePeople } from "../people/use-people";

/** Names of a nameless group are those of its first people. */
const NAMED_MEMBERS = 3;

/** The other person of a direct conversation; oneself in the one with nobody else. Null for the other types. */
export function partnerOf(conversation: Conversation, me: string): string | null {
  if (conversation.type !== "direct") return null;
  return conversation.members.find((member) => member.user_id !== me)?.user_id ?? me;
}

/** What a conversation is called: its own name, or those of the other people in it. */
export function useConversationName(conversation: Conversation | undefined): string {
  const t = useTranslations("conversation");
  const message = useTranslations("message");
  const format = useFormatter();
  const me = useMe().id;
  const others = conversation?.members.filter((member) => member.user_id !== me) ?? [];
  const named =
    conversation && !conversation.name ? others.slice(0, NAMED_MEMBERS).map((member) => member.user_id) : [];
  const people = usePeople(named);
  if (!conversation) return "";
  if (conversation.name) return conversation.name;
  if (others.length === 0) return conversation.type === "direct" ? message("erasedPerson") : t("note");
  return format.list(
    named.map((id) => people.get(id)?.display_name ?? "…"),
    { style: "short", type: "conjunction" },
  );
}

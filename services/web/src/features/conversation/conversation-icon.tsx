"use client";

import { Hash, Lock, Users } from "lucide-react";
import { useMe } from "@/core/react";
import type { Conversation } from "@/core/types";
import { PersonAvatar } from "../people/person-avatar";
import { partnerOf } from "./use-conversation-name";

/** What kind of conversation it is: a person's picture, or a sign. */
export function ConversationIcon({ conversation, size = "xs" }: { conversation: Conversation; size?: "xs" | "sm" }) {
  const me = useMe().id;
  const partner = partnerOf(conversation, me);
  if (partner) return <PersonAvatar id={partner} size={size} presence />;
  const Icon = conversation.type === "group" ? Users : conversation.visibility === "public" ? Hash : Lock;
  return (
    <span className={`inline-flex shrink-0 items-center justify-center ${size === "xs" ? "size-6" : "size-7"}`}>
      <Icon aria-hidden className="size-4" />
    </span>
  );
}

"use client";

import { clsx } from "clsx";
import { type ReactNode, useCallback } from "react";
import { useConversations, useMe } from "@/core/react";
import type { Message, Outgoing } from "@/core/types";
import { openOverlay } from "../common/overlay";
import { type DrawName, DrawNameContext } from "../markdown/markdown";
import { AppLink } from "../navigation/navigation";
import { conversationPath } from "../navigation/routes";
import { usePeople } from "../people/use-people";

const NAME = "rounded-sm px-0.5 font-medium";
const NOBODY: readonly string[] = [];

/** Draws the names in a message: those it mentions lead to profiles, channels of the reader to where they are. */
export function MessageNames({ message, children }: { message: Message | Outgoing; children: ReactNode }) {
  const me = useMe();
  const mentions = "mentions" in message ? message.mentions : NOBODY;
  const everybody = "mentions" in message && (message.mentions_all || /@here\b/i.test(message.body));
  const people = usePeople(mentions);
  const { items } = useConversations();
  const draw = useCallback<DrawName>(
    (piece) => {
      const wanted = piece.name.toLowerCase();
      if (piece.kind === "channel") {
        const channel = items.find((one) => one.type === "channel" && one.name?.toLowerCase() === wanted);
        if (!channel) return null;
        return (
          <AppLink href={conversationPath(channel.id)} className={clsx(NAME, "text-accent hover:underline")}>
            {piece.text}
          </AppLink>
        );
      }
      if (everybody && (wanted === "all" || wanted === "here")) {
        return <span className={clsx(NAME, "bg-mention-soft text-mention-text")}>{piece.text}</span>;
      }
      const person = [...people.values()].find((one) => one.username === wanted);
      if (!person) return null;
      return (
        <button
          type="button"
          onClick={() => openOverlay({ kind: "profile", userId: person.id })}
          className={clsx(
            NAME,
            "hover:underline",
            person.id === me.id ? "bg-mention-soft text-mention-text" : "bg-accent-soft text-accent",
          )}
        >
          @{person.display_name}
        </button>
      );
    },
    [items, people, everybody, me.id],
  );
  return <DrawNameContext value={draw}>{children}</DrawNameContext>;
}

"use client";

import { clsx } from "clsx";
import { BellOff, ChevronDown, PencilLine } from "lucide-react";
import { memo } from "react";
import { useFormatter, useTranslations } from "use-intl";
import { useConversationNotifications, useDrafted } from "@/core/react";
import type { Conversation } from "@/core/types";
import { Badge } from "@/ui/badge";
import { ConversationIcon } from "../conversation/conversation-icon";
import { isMuted } from "../conversation/notification-level";
import { useConversationName } from "../conversation/use-conversation-name";
import { AppLink, useRoute } from "../navigation/navigation";
import { conversationPath } from "../navigation/routes";
import type { Section } from "./sections";

/** One part of the list; closed, it still shows what is unread in it. */
export function SidebarSection(props: { section: Section; open: boolean; onToggle: () => void }) {
  const t = useTranslations("shell");
  const route = useRoute();
  const here = route.screen === "conversation" ? route.id : null;
  const name = t(props.section.name);
  const shown = props.open
    ? props.section.items
    : props.section.items.filter((item) => item.unread > 0 || item.id === here);
  return (
    <section className="mt-3">
      <h2>
        <button
          type="button"
          aria-expanded={props.open}
          onClick={props.onToggle}
          className="flex h-7 w-full items-center gap-1 rounded-md px-2 text-start font-medium text-sm text-text-3 -outline-offset-2 hover:text-text"
        >
          <ChevronDown
            aria-hidden
            className={clsx("size-3.5 transition-transform", !props.open && "-rotate-90 rtl:rotate-90")}
          />
          {name}
        </button>
      </h2>
      <ul>
        {shown.map((conversation) => (
          <li key={conversation.id} className="[contain-intrinsic-size:auto_2rem] [content-visibility:auto]">
            <Item conversation={conversation} here={conversation.id === here} />
          </li>
        ))}
      </ul>
    </section>
  );
}

const Item = memo(function Item({ conversation, here }: { conversation: Conversation; here: boolean }) {
  const t = useTranslations("shell");
  const format = useFormatter();
  const name = useConversationName(conversation);
  const draft = useDrafted(conversation.id) && !here;
  const { choice } = useConversationNotifications(conversation.id);
  const muted = isMuted(choice, Date.now());
  const { unread, mentions } = conversation;
  return (
    <AppLink
      href={conversationPath(conversation.id)}
      aria-current={here ? "page" : undefined}
      className={clsx(
        "flex h-10 items-center gap-2.5 rounded-md px-2 -outline-offset-2 hover:bg-hover aria-[current]:bg-accent-soft md:h-8",
        unread > 0 && !muted ? "font-semibold text-text" : muted ? "text-text-3" : "text-text-2",
        here && "text-text",
      )}
    >
      <ConversationIcon conversation={conversation} />
      <span dir="auto" className="min-w-0 flex-1 truncate">
        {name}
        <span className="sr-only">
          {t("item", { kind: conversation.type, unread, mentions, draft: String(draft), muted: String(muted) })}
        </span>
      </span>
      {draft && <PencilLine aria-hidden className="size-3.5 shrink-0 text-text-3" />}
      {muted && <BellOff aria-hidden className="size-3.5 shrink-0 text-text-3" />}
      <span aria-hidden>
        {mentions > 0 ? (
          <Badge tone="mention">{format.number(mentions)}</Badge>
        ) : (
          unread > 0 && !muted && <Badge>{unread > 99 ? `${format.number(99)}+` : format.number(unread)}</Badge>
        )}
      </span>
    </AppLink>
  );
});

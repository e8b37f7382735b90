"use client";

import { ChevronLeft, Info, Pin, Search, Star } from "lucide-react";
import { useTranslations } from "use-intl";
import { useFavourites, useMe, usePresence } from "@/core/react";
import type { Conversation } from "@/core/types";
import { IconButton } from "@/ui/icon-button";
import { useMoments } from "../common/moments";
import { AppLink, navigate } from "../navigation/navigation";
import { conversationPath } from "../navigation/routes";
import { ConversationIcon } from "./conversation-icon";
import { partnerOf } from "./use-conversation-name";

/** What this conversation is, and what can be opened beside it. */
export function ConversationHeader(props: {
  conversation: Conversation;
  name: string;
  panel: "details" | "pins" | null;
}) {
  const t = useTranslations("conversation");
  const shell = useTranslations("shell");
  const { conversation, name, panel } = props;
  const { id } = conversation;
  const favourites = useFavourites();
  const favourite = favourites.ids.has(id);
  const toggle = (which: "details" | "pins") => navigate(conversationPath(id, panel === which ? {} : { panel: which }));
  return (
    <header
      data-region
      tabIndex={-1}
      className="flex h-14 shrink-0 items-center gap-1.5 border-line border-b px-2 md:px-4"
    >
      <BackToList />
      <ConversationIcon conversation={conversation} size="sm" />
      <div className="min-w-0 flex-1 ps-1">
        <h1 dir="auto" className="truncate font-semibold leading-5">
          {name}
        </h1>
        <Subtitle conversation={conversation} />
      </div>
      <span className="hidden sm:inline-flex">
        <IconButton
          icon={Star}
          label={t(favourite ? "unfavourite" : "favourite")}
          aria-pressed={favourite}
          onClick={() => favourites.toggle(id)}
          className={favourite ? "[&_svg]:fill-current" : ""}
        />
      </span>
      <AppLink
        href={`/search?in=${encodeURIComponent(id)}`}
        aria-label={t("searchHere")}
        title={t("searchHere")}
        className="inline-flex size-9 items-center justify-center rounded-md text-text-2 hover:bg-hover"
      >
        <Search aria-hidden className="size-[1.125rem]" />
        <span className="sr-only">{shell("search")}</span>
      </AppLink>
      <IconButton
        icon={Pin}
        label={t("pinsCount", { count: conversation.pins.length })}
        aria-pressed={panel === "pins"}
        onClick={() => toggle("pins")}
      />
      <IconButton
        icon={Info}
        label={t("details")}
        keys="Alt+I"
        aria-pressed={panel === "details"}
        onClick={() => toggle("details")}
      />
    </header>
  );
}

/** On a phone: back to the list. */
export function BackToList() {
  const t = useTranslations("common");
  return (
    <AppLink
      href="/"
      aria-label={t("back")}
      className="inline-flex size-9 shrink-0 items-center justify-center rounded-md text-text-2 hover:bg-hover md:hidden"
    >
      <ChevronLeft aria-hidden className="size-5 rtl:-scale-x-100" />
    </AppLink>
  );
}

function Subtitle({ conversation }: { conversation: Conversation }) {
  const t = useTranslations("conversation");
  const me = useMe().id;
  const partner = partnerOf(conversation, me);
  const text = conversation.topic ?? t("members", { count: conversation.members.length });
  return (
    <p dir="auto" className="truncate text-text-3 text-xs">
      {partner ? <Appearance id={partner} /> : text}
    </p>
  );
}

/** How somebody appears, in words. */
export function Appearance({ id }: { id: string }) {
  const t = useTranslations("status");
  const presence = usePresence(id);
  const { ago } = useMoments();
  if (!presence) return <>&nbsp;</>;
  const own = [presence.emoji, presence.text].filter(Boolean).join(" ");
  const seen =
    presence.status === "offline" && presence.last_seen ? t("lastSeen", { when: ago(presence.last_seen) }) : null;
  return [seen ?? t(presence.status), own].filter(Boolean).join(" · ");
}

"use client";

import { clsx } from "clsx";
import { AtSign, Search, Settings } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useEffect, useId, useMemo, useRef, useState } from "react";
import { useTranslations } from "use-intl";
import { useConversations, useMe } from "@/core/react";
import type { Conversation } from "@/core/types";
import { Avatar } from "@/ui/avatar";
import { Badge } from "@/ui/badge";
import { Dialog } from "@/ui/dialog";
import { ranked } from "../composer/completion";
import { ConversationIcon } from "../conversation/conversation-icon";
import { partnerOf } from "../conversation/use-conversation-name";
import { navigate } from "../navigation/navigation";
import { conversationPath } from "../navigation/routes";
import { usePeople } from "../people/use-people";
import { usePersonSearch } from "../people/use-person-search";
import { useWriteTo } from "../people/use-write-to";

const LIMIT = 12;

interface Choice {
  key: string;
  label: string;
  detail: string;
  icon: ReactNode;
  unread: number;
  run: () => void;
}

/** Goes to a conversation, a person or a page by a few letters. Unread and latest ones come first. */
export default function Switcher({ onClose }: { onClose: () => void }) {
  const t = useTranslations("switcher");
  const [query, setQuery] = useState("");
  const [chosen, setChosen] = useState(0);
  const listId = useId();
  const list = useRef<HTMLDivElement>(null);
  const choices = useChoices(query);
  const index = Math.min(chosen, choices.length - 1);

  useEffect(() => {
    list.current?.children[index]?.scrollIntoView({ block: "nearest" });
  }, [index]);

  const run = (choice: Choice | undefined) => {
    if (!choice) return;
    onClose();
    choice.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "ArrowDown") setChosen((index + 1) % choices.length);
    else if (event.key === "ArrowUp") setChosen((index - 1 + choices.length) % choices.length);
    else if (event.key === "Enter") run(choices[index]);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog open onOpenChange={onClose} title={t("title")} hideTitle>
      <div className="flex h-13 items-center gap-3 border-line border-b px-4">
        <Search aria-hidden className="size-5 text-text-3" />
        <input
          role="combobox"
          aria-expanded
          aria-controls={listId}
          aria-activedescendant={choices.length ? `${listId}-${index}` : undefined}
          aria-label={t("title")}
          placeholder={t("placeholder")}
          dir="auto"
          value={query}
          onChange={(event) => {
            setQuery(event.target.value);
            setChosen(0);
          }}
          onKeyDown={onKeyDown}
          className="h-full min-w-0 flex-1 bg-transparent text-lg outline-none placeholder:text-text-3"
        />
      </div>
      <div ref={list} id={listId} role="listbox" aria-label={t("title")} className="h-80 overflow-y-auto p-1.5">
        {choices.map((choice, at) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the focus, and the keys.
          // biome-ignore lint/a11y/useFocusableInteractive: likewise.
          <div
            key={choice.key}
            id={`${listId}-${at}`}
            role="option"
            aria-selected={at === index}
            onClick={() => run(choice)}
            className={clsx(
              "flex h-10 cursor-pointer items-center gap-3 rounded-md px-2.5",
              at === index ? "bg-accent-soft" : "hover:bg-hover",
            )}
          >
            <span className="inline-flex w-6 justify-center text-text-2">{choice.icon}</span>
            <span dir="auto" className={clsx("truncate", choice.unread > 0 && "font-semibold")}>
              {choice.label}
            </span>
            <span dir="auto" className="min-w-0 flex-1 truncate text-sm text-text-3">
              {choice.detail}
            </span>
            {choice.unread > 0 && <Badge>{choice.unread > 99 ? "99+" : choice.unread}</Badge>}
          </div>
        ))}
        {choices.length === 0 && <p className="p-6 text-center text-text-3">{t("none")}</p>}
      </div>
    </Dialog>
  );
}

function useChoices(query: string): Choice[] {
  const t = useTranslations("switcher");
  const shell = useTranslations("shell");
  const me = useMe();
  const { items } = useConversations();
  const writeTo = useWriteTo();
  const { data } = usePersonSearch(query);
  const partners = useMemo(
    () => new Map(items.map((item) => [item.id, partnerOf(item, me.id)] as const)),
    [items, me.id],
  );
  const people = usePeople(useMemo(() => [...new Set([...partners.values()].filter((id) => id !== null))], [partners]));

  const named = items.map((conversation: Conversation) => {
    const partner = people.get(partners.get(conversation.id) ?? "");
    return {
      names: partner ? [partner.display_name, partner.username] : [conversation.name ?? "", conversation.topic ?? ""],
      choice: {
        key: conversation.id,
        label: partner?.display_name ?? conversation.name ?? "",
        detail: partner ? `@${partner.username}` : (conversation.topic ?? ""),
        icon: <ConversationIcon conversation={conversation} />,
        unread: conversation.unread,
        run: () => navigate(conversationPath(conversation.id)),
      },
    };
  });
  const shown = named.filter(({ choice }) => choice.label);
  if (!query.trim()) {
    const [unread, read] = [
      shown.filter((one) => one.choice.unread > 0),
      shown.filter((one) => one.choice.unread === 0),
    ];
    return [...unread, ...read].slice(0, LIMIT).map(({ choice }) => choice);
  }
  const known = new Set(partners.values());
  const others = (data?.pages ?? []).flatMap((page) => page.items).filter((person) => !known.has(person.id));
  const pages = [
    { label: shell("people"), path: "/people", icon: <AtSign aria-hidden className="size-4" /> },
    { label: shell("browseChannels"), path: "/channels", icon: <Search aria-hidden className="size-4" /> },
    { label: shell("settings"), path: "/settings", icon: <Settings aria-hidden className="size-4" /> },
  ];
  return [
    ...ranked(shown, query.trim(), (one) => one.names, LIMIT).map(({ choice }) => choice),
    ...others.slice(0, 5).map((person) => ({
      key: person.id,
      label: person.display_name,
      detail: `@${person.username}`,
      icon: <Avatar id={person.id} name={person.display_name} url={person.avatar_url} size="xs" />,
      unread: 0,
      run: () => void writeTo(person.id),
    })),
    ...ranked(pages, query.trim(), (page) => [page.label], 3).map((page) => ({
      key: page.path,
      label: page.label,
      detail: t("page"),
      icon: page.icon,
      unread: 0,
      run: () => navigate(page.path),
    })),
  ];
}

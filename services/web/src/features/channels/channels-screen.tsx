"use client";

import { keepPreviousData, useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Hash, Plus, SearchX } from "lucide-react";
import { useDeferredValue, useState } from "react";
import { useTranslations } from "use-intl";
import { ok } from "@/api/client";
import { useApi, useConversationActions, useConversations } from "@/core/react";
import { Button, buttonClass } from "@/ui/button";
import { EmptyState } from "@/ui/empty-state";
import { Input } from "@/ui/field";
import { SkeletonRows } from "@/ui/skeleton";
import { cursorPages } from "../common/cursor-pages";
import { Failed } from "../common/failed";
import { LoadMore } from "../common/load-more";
import { openOverlay } from "../common/overlay";
import { ScreenHeader } from "../common/screen-header";
import { useAttempt } from "../common/use-attempt";
import { AppLink, navigate } from "../navigation/navigation";
import { conversationPath } from "../navigation/routes";

const KEY = "channel-directory";

/** The public channels, to look for and to enter. */
export default function ChannelsScreen() {
  const t = useTranslations("channels");
  const shell = useTranslations("shell");
  const common = useTranslations("common");
  const conversation = useTranslations("conversation");
  const api = useApi();
  const queries = useQueryClient();
  const attempt = useAttempt();
  const { join } = useConversationActions();
  const mine = new Set(useConversations().items.map((item) => item.id));
  const [text, setText] = useState("");
  const query = useDeferredValue(text.trim());
  const directory = useInfiniteQuery({
    queryKey: [KEY, query],
    placeholderData: keepPreviousData,
    ...cursorPages(50, (page, signal) =>
      ok(
        api.GET("/api/v1/conversations/directory", {
          params: { query: { ...page, ...(query ? { query } : {}) } },
          signal,
        }),
      ),
    ),
  });
  const channels = directory.data?.pages.flatMap((page) => page.items) ?? [];
  const enter = (id: string) =>
    void attempt(async () => {
      await join(id);
      await queries.invalidateQueries({ queryKey: [KEY] });
      navigate(conversationPath(id));
    });
  return (
    <>
      <ScreenHeader title={t("title")}>
        <Button size="sm" onClick={() => openOverlay({ kind: "new-conversation", type: "channel" })}>
          <Plus aria-hidden className="size-4" />
          {shell("newChannel")}
        </Button>
      </ScreenHeader>
      <div className="min-h-0 flex-1 overflow-y-auto">
        <div className="mx-auto flex w-full max-w-3xl flex-col gap-2 p-4">
          <Input
            type="search"
            dir="auto"
            aria-label={t("find")}
            placeholder={t("find")}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
          {directory.isPending ? (
            <SkeletonRows label={common("loading")} />
          ) : directory.error ? (
            <Failed error={directory.error} onRetry={directory.refetch} />
          ) : channels.length === 0 ? (
            <EmptyState icon={SearchX} title={t("none")} text={t("noneText")} />
          ) : (
            <ul>
              {channels.map((channel) => (
                <li
                  key={channel.id}
                  className="flex min-h-14 items-center gap-3 rounded-md px-3 py-1.5 hover:bg-surface"
                >
                  <span className="inline-flex size-9 shrink-0 items-center justify-center rounded-md bg-accent-soft text-accent">
                    <Hash aria-hidden className="size-4.5" />
                  </span>
                  <div className="min-w-0 flex-1">
                    <p dir="auto" className="truncate font-medium">
                      {channel.name}
                    </p>
                    <p dir="auto" className="truncate text-sm text-text-3">
                      {[conversation("members", { count: channel.member_count }), channel.topic]
                        .filter(Boolean)
                        .join(" · ")}
                    </p>
                  </div>
                  {channel.joined || mine.has(channel.id) ? (
                    <AppLink href={conversationPath(channel.id)} className={buttonClass("quiet", "sm")}>
                      {conversation("open")}
                    </AppLink>
                  ) : (
                    <Button
                      size="sm"
                      aria-label={t("joinNamed", { name: channel.name })}
                      onClick={() => enter(channel.id)}
                    >
                      {t("join")}
                    </Button>
                  )}
                </li>
              ))}
            </ul>
          )}
          <LoadMore {...directory} />
        </div>
      </div>
    </>
  );
}

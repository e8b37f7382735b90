"use client";

import { clsx } from "clsx";
import dynamic from "next/dynamic";
import { useEffect, useRef } from "react";
import { useTranslations } from "use-intl";
import { useConversation, useConversations, useMe, useTimelineActions } from "@/core/react";
import type { Conversation } from "@/core/types";
import { Composer } from "../composer/composer";
import { DropArea } from "../composer/drop-area";
import { TypingLine } from "../composer/typing-line";
import { usePlaceFiles } from "../composer/use-place-files";
import { navigate } from "../navigation/navigation";
import { conversationPath, type Route } from "../navigation/routes";
import { Nowhere } from "../shell/nowhere";
import { TimelineSkeleton } from "../timeline/timeline-skeleton";
import { TimelineView, type TimelineViewHandle } from "../timeline/timeline-view";
import { Beginning } from "./beginning";
import { ConversationHeader } from "./conversation-header";
import { permissionsIn } from "./permissions";
import { useConversationName } from "./use-conversation-name";

const ThreadPane = dynamic(() => import("../thread/thread-pane"), { ssr: false });
const DetailsPane = dynamic(() => import("./details-pane"), { ssr: false });
const PinsPane = dynamic(() => import("./pins-pane"), { ssr: false });

type ConversationRoute = Extract<Route, { screen: "conversation" }>;

/** A conversation, with a thread or its details beside it. */
export function ConversationScreen({ route }: { route: ConversationRoute }) {
  const conversation = useConversation(route.id);
  const { status } = useConversations();
  if (conversation) return <Open conversation={conversation} route={route} />;
  return status === "loading" ? <TimelineSkeleton /> : <Nowhere />;
}

function Open({ conversation, route }: { conversation: Conversation; route: ConversationRoute }) {
  const { id } = conversation;
  const t = useTranslations("timeline");
  const name = useConversationName(conversation);
  const actions = useTimelineActions({ conversationId: id });
  const close = () => navigate(conversationPath(id));
  useEffect(() => {
    if (route.seq !== null) void actions.jumpToSeq(route.seq);
  }, [actions, route.seq]);
  const beside = route.thread !== null || route.panel !== null;
  return (
    <div className="flex min-h-0 flex-1">
      <section aria-label={name} className={clsx("min-w-0 flex-1 flex-col", beside ? "hidden lg:flex" : "flex")}>
        <ConversationHeader conversation={conversation} name={name} panel={route.panel} />
        <Talk conversation={conversation} name={name} label={t("label", { name })} />
      </section>
      {beside && (
        <aside className="flex w-full min-w-0 shrink-0 flex-col border-line bg-canvas lg:w-96 lg:border-s">
          {route.thread !== null ? (
            <ThreadPane
              key={route.thread}
              conversation={conversation}
              rootId={route.thread}
              name={name}
              onClose={close}
            />
          ) : route.panel === "pins" ? (
            <PinsPane conversation={conversation} onClose={close} />
          ) : (
            <DetailsPane conversation={conversation} name={name} onClose={close} />
          )}
        </aside>
      )}
    </div>
  );
}

function Talk({ conversation, name, label }: { conversation: Conversation; name: string; label: string }) {
  const t = useTranslations("composer");
  const me = useMe();
  const place = { conversationId: conversation.id };
  const files = usePlaceFiles(place);
  const actions = useTimelineActions(place);
  const timeline = useRef<TimelineViewHandle>(null);
  const coarse = useRef(typeof matchMedia === "function" && matchMedia("(pointer: coarse)").matches);
  const mayWrite = permissionsIn(conversation, me).write;
  return (
    <DropArea onFiles={files.add} enabled={mayWrite}>
      <TimelineView
        ref={timeline}
        place={place}
        label={label}
        begin={<Beginning conversation={conversation} name={name} />}
      />
      <TypingLine conversationId={conversation.id} />
      {mayWrite ? (
        <Composer
          place={place}
          label={t("label", { name })}
          placeholder={t("placeholder", { name })}
          files={files}
          onSend={() => void actions.jumpToNewest()}
          onEditLast={() => timeline.current?.editLast() ?? false}
          // On a phone this would open the keyboard over what one came to read.
          autoFocus={!coarse.current}
        />
      ) : (
        <p className="mx-5 mb-4 rounded-md bg-surface px-4 py-3 text-center text-text-3">{t("adminsOnly")}</p>
      )}
    </DropArea>
  );
}

"use client";

import { X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useTranslations } from "use-intl";
import { useMe, useTimeline, useTimelineActions } from "@/core/react";
import type { Conversation } from "@/core/types";
import { IconButton } from "@/ui/icon-button";
import { Composer } from "../composer/composer";
import { DropArea } from "../composer/drop-area";
import { usePlaceFiles } from "../composer/use-place-files";
import { permissionsIn } from "../conversation/permissions";
import { MessageRow } from "../timeline/message-row";
import { TimelineView, type TimelineViewHandle } from "../timeline/timeline-view";

/** A message and the replies to it. The focus comes here when it opens, and goes back when it closes. */
export default function ThreadPane(props: {
  conversation: Conversation;
  rootId: string;
  name: string;
  onClose: () => void;
}) {
  const t = useTranslations("thread");
  const composer = useTranslations("composer");
  const me = useMe();
  const { conversation, name } = props;
  const place = { conversationId: conversation.id, threadRoot: props.rootId };
  const files = usePlaceFiles(place);
  const actions = useTimelineActions(place);
  const timeline = useRef<TimelineViewHandle>(null);
  const mayWrite = permissionsIn(conversation, me).write;
  useReturnFocus();
  return (
    <section
      aria-label={t("title")}
      className="flex min-h-0 flex-1 flex-col"
      onKeyDown={(event) => {
        if (event.key === "Escape" && !event.defaultPrevented) props.onClose();
      }}
    >
      <header data-region tabIndex={-1} className="flex h-14 shrink-0 items-center gap-2 border-line border-b px-4">
        <div className="min-w-0 flex-1">
          <h2 className="font-semibold leading-5">{t("title")}</h2>
          <p dir="auto" className="truncate text-text-3 text-xs">
            {name}
          </p>
        </div>
        <IconButton icon={X} label={t("close")} onClick={props.onClose} />
      </header>
      <DropArea onFiles={files.add} enabled={mayWrite}>
        <TimelineView
          ref={timeline}
          place={place}
          label={t("label", { name })}
          begin={<Root conversationId={conversation.id} rootId={props.rootId} />}
        />
        {mayWrite ? (
          <Composer
            place={place}
            label={t("placeholder")}
            placeholder={t("placeholder")}
            files={files}
            onSend={() => void actions.jumpToNewest()}
            onEditLast={() => timeline.current?.editLast() ?? false}
            autoFocus
          />
        ) : (
          <p className="p-4 text-center text-text-3">{composer("adminsOnly")}</p>
        )}
      </DropArea>
    </section>
  );
}

function Root({ conversationId, rootId }: { conversationId: string; rootId: string }) {
  const t = useTranslations("thread");
  const message = useTranslations("message");
  const { root, items } = useTimeline({ conversationId, threadRoot: rootId });
  const me = useMe().id;
  const [editing, setEditing] = useState(false);
  if (!root) return null;
  return (
    <div className="pt-3">
      <MessageRow
        item={{ kind: "message", key: `root-${root.id}`, message: root, own: root.sender_id === me }}
        leads
        inThread
        editing={editing}
        onEdit={(key) => setEditing(key !== null)}
        pointedOut={null}
        focusable
        onFocus={ignore}
      />
      <p className="flex items-center gap-3 px-5 pt-2 text-sm text-text-3 after:h-px after:flex-1 after:bg-line">
        {items.length === 0 ? t("empty") : message("replies", { count: Math.max(root.reply_count, items.length) })}
      </p>
    </div>
  );
}

const ignore = () => {};

/** When this goes away, the focus goes back to what had it before. */
function useReturnFocus() {
  const before = useRef<Element | null>(null);
  useEffect(() => {
    before.current ??= document.activeElement;
    const element = before.current;
    return () => {
      if (element instanceof HTMLElement && element.isConnected) element.focus({ preventScroll: true });
    };
  }, []);
}

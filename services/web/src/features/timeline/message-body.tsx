"use client";

import { Pin } from "lucide-react";
import { memo } from "react";
import { useTranslations } from "use-intl";
import type { Message } from "@/core/types";
import { useMoments } from "../common/moments";
import { openOverlay } from "../common/overlay";
import { Attachments } from "../files/attachments";
import { Markdown } from "../markdown/markdown";
import { MessageNames } from "./message-names";
import { useMessageCommands } from "./use-message-commands";

/** What a message says and carries. */
export const MessageBody = memo(function MessageBody({ message }: { message: Message }) {
  return (
    <>
      {message.body && (
        <MessageNames message={message}>
          <Markdown text={message.body} />
        </MessageNames>
      )}
      {message.attachments.length > 0 && <Attachments attachments={message.attachments} />}
      <Marks message={message} />
    </>
  );
});

function Marks({ message }: { message: Message }) {
  const t = useTranslations("message");
  const { short } = useMoments();
  const { isPinned } = useMessageCommands();
  const pinned = isPinned(message);
  if (!pinned && !message.edited_at) return null;
  return (
    <p className="flex items-center gap-2 text-text-3 text-xs">
      {message.edited_at && (
        <button
          type="button"
          onClick={() => openOverlay({ kind: "history", message })}
          aria-label={t("showHistory", { when: short(message.edited_at) })}
          className="min-h-6 rounded-sm hover:text-text hover:underline"
        >
          {t("edited")}
        </button>
      )}
      {pinned && (
        <span className="inline-flex min-h-6 items-center gap-1">
          <Pin aria-hidden className="size-3" />
          {t("pinned")}
        </span>
      )}
    </p>
  );
}

"use client";

import type { ReactNode } from "react";
import type { Message } from "@/core/types";
import { useMoments } from "../common/moments";
import { Markdown } from "../markdown/markdown";
import { AppLink } from "../navigation/navigation";
import { conversationPath } from "../navigation/routes";
import { PersonAvatar, usePersonName } from "../people/person-avatar";
import { MessageNames } from "./message-names";

/** The address at which a message is shown in its conversation, or in its thread. */
export function messagePath(message: Message): string {
  return conversationPath(message.conversation_id, { seq: message.seq, thread: message.thread_root ?? null });
}

/** A message away from its timeline, which leads to it. */
export function MessageCard({ message, above, action }: { message: Message; above?: ReactNode; action?: ReactNode }) {
  const { short } = useMoments();
  const name = usePersonName(message.sender_id);
  const files = message.attachments.map((file) => file.name).join(", ");
  return (
    <article className="flex gap-3 rounded-md px-3 py-2.5 hover:bg-surface">
      <PersonAvatar id={message.sender_id} size="sm" />
      <div className="min-w-0 flex-1">
        {above}
        <p className="flex items-baseline gap-2">
          <span dir="auto" className="truncate font-semibold">
            {name}
          </span>
          <AppLink href={messagePath(message)} className="shrink-0 rounded-sm text-accent text-xs hover:underline">
            <time dateTime={message.created_at}>{short(message.created_at)}</time>
          </AppLink>
        </p>
        <div className="max-h-40 overflow-hidden">
          <MessageNames message={message}>
            <Markdown text={message.body} />
          </MessageNames>
        </div>
        {files && (
          <p dir="auto" className="truncate text-sm text-text-3">
            {files}
          </p>
        )}
      </div>
      {action}
    </article>
  );
}

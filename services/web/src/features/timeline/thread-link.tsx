"use client";

import { MessageSquareReply } from "lucide-react";
import { useTranslations } from "use-intl";
import type { Message } from "@/core/types";
import { AppLink } from "../navigation/navigation";
import { conversationPath } from "../navigation/routes";

/** Leads to the replies to a message. */
export function ThreadLink({ message }: { message: Message }) {
  const t = useTranslations("message");
  return (
    <AppLink
      href={conversationPath(message.conversation_id, { thread: message.id })}
      className="my-0.5 inline-flex min-h-7 items-center gap-1.5 rounded-md px-1.5 font-medium text-accent text-sm hover:bg-accent-soft"
    >
      <MessageSquareReply aria-hidden className="size-4 rtl:-scale-x-100" />
      {t("replies", { count: message.reply_count })}
    </AppLink>
  );
}

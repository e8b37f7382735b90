"use client";

import { useTranslations } from "use-intl";
import type { Conversation } from "@/core/types";

/** What stands above the first message. */
export function Beginning({ conversation, name }: { conversation: Conversation; name: string }) {
  const t = useTranslations("timeline");
  const kept = conversation.first_seq <= 1;
  return (
    <div className="px-5 pt-10 pb-3">
      <h2 dir="auto" className="font-semibold text-xl">
        {conversation.type === "channel" && "# "}
        {name}
      </h2>
      <p className="mt-1 text-text-2">
        {kept ? t(conversation.type === "direct" ? "beginDirect" : "begin", { name }) : t("beginKept")}
      </p>
      {conversation.topic && (
        <p dir="auto" className="mt-1 text-text-2">
          {conversation.topic}
        </p>
      )}
    </div>
  );
}

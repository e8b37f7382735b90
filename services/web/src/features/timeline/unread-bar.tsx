"use client";

import { useState } from "react";
import { useTranslations } from "use-intl";
import type { TimelineActions } from "@/core/react";
import type { Conversation, Timeline } from "@/core/types";
import { useMoments } from "../common/moments";
import { seqOf, writtenAt } from "./rows";

/** Says above the messages what was missed, and goes there. It goes away once the first unread message was seen. */
export function UnreadBar(props: {
  conversation: Conversation;
  timeline: Timeline;
  actions: TimelineActions;
  atEnd: boolean;
}) {
  const t = useTranslations("timeline");
  const { short } = useMoments();
  const { timeline, conversation } = props;
  const [opened] = useState({ unread: conversation.unread, since: conversation.last_read_seq });
  const [done, setDone] = useState(false);
  const oldest = timeline.items[0];
  const oldestSeq = oldest ? seqOf(oldest) : null;
  const beyond = oldestSeq !== null && oldestSeq > opened.since + 1 && timeline.hasOlder;
  if (done || opened.unread === 0 || timeline.status !== "ready" || !beyond || !oldest) return null;
  const jump = () => {
    setDone(true);
    void props.actions.jumpToUnread();
  };
  return (
    <div className="absolute inset-x-0 top-2 z-10 mx-auto flex w-fit max-w-[92%] animate-appear items-center gap-1 rounded-full bg-accent-fill ps-4 pe-1.5 text-on-accent text-sm shadow-lift">
      <span className="truncate">{t("toUnread", { count: opened.unread, when: short(writtenAt(oldest)) })}</span>
      <button type="button" onClick={jump} className="h-8 shrink-0 rounded-full px-2.5 font-semibold hover:underline">
        {t("jumpUnread")}
      </button>
    </div>
  );
}

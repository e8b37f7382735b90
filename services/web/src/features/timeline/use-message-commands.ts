"use client";

import { useMemo } from "react";
import { useTranslations } from "use-intl";
import { useConversation, useMe, useMessageActions } from "@/core/react";
import type { Message } from "@/core/types";
import { useAttempt } from "../common/use-attempt";
import { permissionsIn } from "../conversation/permissions";
import { asReaction, rememberEmoji } from "../emoji/emoji";
import { navigate, useRoute } from "../navigation/navigation";
import { conversationPath } from "../navigation/routes";

/** Whether the person has this reaction on the message. */
export function hasReacted(message: Message, emoji: string, me: string): boolean {
  return message.reactions[emoji]?.includes(me) ?? false;
}

/** What a person does to messages in the conversation on the screen, with what is said about it. */
export function useMessageCommands() {
  const t = useTranslations("message");
  const common = useTranslations("common");
  const me = useMe();
  const actions = useMessageActions();
  const attempt = useAttempt();
  const route = useRoute();
  const here = useConversation(route.screen === "conversation" ? route.id : null);
  return useMemo(() => {
    const may = here ? permissionsIn(here, me) : null;
    const isPinned = (message: Message) => here?.pins.some((pin) => pin.message_id === message.id) ?? false;
    return {
      mayPin: may?.pin ?? false,
      mayWrite: may?.write ?? false,
      mayDelete: (message: Message) => message.sender_id === me.id || (may?.deleteOthers ?? false),
      isPinned,
      openThread: (message: Message) =>
        navigate(conversationPath(message.conversation_id, { thread: message.thread_root ?? message.id })),
      react(message: Message, chosen: string) {
        const emoji = asReaction(chosen);
        const mine = hasReacted(message, emoji, me.id);
        if (!mine) rememberEmoji(chosen);
        void attempt(() => (mine ? actions.unreact(message.id, emoji) : actions.react(message.id, emoji)));
      },
      togglePin(message: Message) {
        if (may?.pin) void attempt(() => (isPinned(message) ? actions.unpin(message) : actions.pin(message)));
      },
      copyText: (message: Message) => void attempt(() => navigator.clipboard.writeText(message.body), common("copied")),
      copyLink(message: Message) {
        const path = conversationPath(message.conversation_id, {
          seq: message.seq,
          thread: message.thread_root ?? null,
        });
        void attempt(() => navigator.clipboard.writeText(new URL(path, location.origin).href), t("linkCopied"));
      },
      follow: (message: Message, on: boolean) =>
        void attempt(
          () => (on ? actions.follow(message.id) : actions.unfollow(message.id)),
          t(on ? "followed" : "unfollowed"),
        ),
      edit: (message: Message, body: string) => attempt(() => actions.edit(message.id, body)),
    };
  }, [here, me, actions, attempt, t, common]);
}

"use client";

import { useConversationActions } from "@/core/react";
import { useAttempt } from "../common/use-attempt";
import { navigate } from "../navigation/navigation";
import { conversationPath } from "../navigation/routes";

/** Opens the direct conversation with somebody; the first time it is made. True when it was opened. */
export function useWriteTo(): (userId: string) => Promise<boolean> {
  const { create } = useConversationActions();
  const attempt = useAttempt();
  return (userId) =>
    attempt(async () => {
      const conversation = await create({ type: "direct", members: [userId] });
      navigate(conversationPath(conversation.id));
    });
}

"use client";

import { useEffect } from "react";
import { useFormatter } from "use-intl";
import { useConversation, useTotals } from "@/core/react";
import { useConversationName } from "../conversation/use-conversation-name";
import { useRoute } from "../navigation/navigation";
import { drawIcon } from "./tab-icon";

/** Says in title and icon of the tab, and on the installed app, what is unread. */
export function useTitle(): void {
  const format = useFormatter();
  const route = useRoute();
  const { unread, mentions } = useTotals();
  const conversation = useConversation(route.screen === "conversation" ? route.id : null);
  const name = useConversationName(conversation);
  useEffect(() => {
    const count = unread > 0 ? `(${format.number(unread)}) ` : "";
    document.title = `${count}${name ? `${name} · ` : ""}ChatCluster`;
  }, [unread, name, format]);
  useEffect(() => {
    drawIcon(mentions > 0 ? "mention" : unread > 0 ? "unread" : "calm");
    if (!("setAppBadge" in navigator)) return;
    // Not every browser that has it lets every page use it.
    void (unread > 0 ? navigator.setAppBadge(unread) : navigator.clearAppBadge()).catch(() => undefined);
  }, [unread, mentions]);
}

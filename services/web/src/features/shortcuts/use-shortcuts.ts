"use client";

import { useEffect, useEffectEvent } from "react";
import { useConversations, useFavourites } from "@/core/react";
import { openOverlay, useOverlay } from "../common/overlay";
import { navigate, useRoute } from "../navigation/navigation";
import { conversationPath } from "../navigation/routes";
import { inOrder, neighbourOf, sectionsOf } from "../shell/sections";
import { type Command, commandOf } from "./shortcuts";

/** Moves the focus to the next part of the page that is seen, or to the one before. */
function goToRegion(step: 1 | -1) {
  const regions = [...document.querySelectorAll<HTMLElement>("[data-region]")].filter((one) => one.offsetParent);
  const inner = regions.filter((one) => !regions.some((other) => other !== one && one.contains(other)));
  const at = inner.findIndex((one) => one.contains(document.activeElement));
  const next = inner[(at + step + inner.length) % inner.length];
  const first = next?.querySelector<HTMLElement>(
    '[tabindex="0"], a[href], button:not([tabindex="-1"]), textarea, input',
  );
  (next?.querySelector<HTMLElement>("textarea") ?? first ?? next)?.focus();
}

/** The keys that work everywhere. */
export function useShortcuts(): void {
  const route = useRoute();
  const { items } = useConversations();
  const { ids } = useFavourites();
  const overlay = useOverlay((state) => state.overlay);
  const here = route.screen === "conversation" ? route : null;

  const run = useEffectEvent((command: Command): boolean => {
    const go = (step: 1 | -1, unread: boolean) => {
      const next = neighbourOf(inOrder(sectionsOf(items, ids)), here?.id ?? null, step, unread);
      if (next) navigate(conversationPath(next.id));
    };
    switch (command) {
      case "switcher":
        openOverlay({ kind: "switcher" });
        return true;
      case "list":
        openOverlay({ kind: "shortcuts" });
        return true;
      case "search":
        navigate(here ? `/search?in=${encodeURIComponent(here.id)}` : "/search");
        return true;
      case "next":
      case "previous":
        go(command === "next" ? 1 : -1, false);
        return true;
      case "nextUnread":
      case "previousUnread":
        go(command === "nextUnread" ? 1 : -1, true);
        return true;
      case "regions":
      case "regionsBack":
        goToRegion(command === "regions" ? 1 : -1);
        return true;
      case "details":
        if (here) navigate(conversationPath(here.id, here.panel === "details" ? {} : { panel: "details" }));
        return here !== null;
      case "upload": {
        const button = document.querySelector<HTMLElement>("[data-attach]");
        button?.click();
        return button !== null;
      }
      case "close":
        if (!here || (here.thread === null && here.panel === null)) return false;
        navigate(conversationPath(here.id));
        return true;
    }
  });

  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const command = commandOf(event);
      // A dialog that is open has the keys.
      if (!command || event.defaultPrevented || overlay || document.querySelector('[role="dialog"], [role="menu"]'))
        return;
      if (run(command)) event.preventDefault();
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, [overlay]);
}

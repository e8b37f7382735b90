"use client";

import { CircleAlert, CircleCheck, X } from "lucide-react";
import { Toast as Radix } from "radix-ui";
import { useSyncExternalStore } from "react";
import { useTranslations } from "use-intl";
import { IconButton } from "./icon-button";

interface Notice {
  id: number;
  text: string;
  tone: "done" | "failed";
  action?: { label: string; run: () => void };
}

let notices: readonly Notice[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

function publish(next: readonly Notice[]) {
  notices = next;
  for (const listener of listeners) listener();
}

/** Says for a few seconds what was done, or what failed. Callable from anywhere; at most three stand at a time. */
export function toast(text: string, tone: Notice["tone"] = "done", action?: Notice["action"]): void {
  const notice = { id: ++lastId, text, tone, ...(action ? { action } : {}) };
  publish([...notices.slice(-2), notice]);
}

const none: readonly Notice[] = [];

/** Shows the toasts; once on a page. F8 moves the focus to them. */
export function Toaster() {
  const t = useTranslations("common");
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => notices,
    () => none,
  );
  // Not before there is something to show: what the server draws may carry no style attributes.
  if (shown.length === 0) return null;
  return (
    <Radix.Provider label={t("notice")} duration={6000} swipeDirection="down">
      {shown.map((notice) => (
        <Radix.Root
          key={notice.id}
          onOpenChange={(open) => !open && publish(notices.filter((other) => other.id !== notice.id))}
          className="flex animate-appear items-center gap-2.5 rounded-md border border-line bg-raised py-1.5 ps-3.5 pe-1.5 shadow-lift"
        >
          {notice.tone === "done" ? (
            <CircleCheck aria-hidden className="size-4.5 shrink-0 text-ok" />
          ) : (
            <CircleAlert aria-hidden className="size-4.5 shrink-0 text-danger" />
          )}
          <Radix.Description className="min-w-0 flex-1">{notice.text}</Radix.Description>
          {notice.action && (
            <Radix.Action asChild altText={notice.action.label}>
              <button
                type="button"
                onClick={notice.action.run}
                className="h-8 shrink-0 rounded-md px-2 font-medium text-accent hover:bg-hover"
              >
                {notice.action.label}
              </button>
            </Radix.Action>
          )}
          <Radix.Close asChild>
            <IconButton size="sm" icon={X} label={t("close")} />
          </Radix.Close>
        </Radix.Root>
      ))}
      <Radix.Viewport
        label={t("notices")}
        className="fixed inset-x-0 bottom-4 z-50 mx-auto flex w-[min(92vw,26rem)] flex-col gap-2 outline-none"
      />
    </Radix.Provider>
  );
}

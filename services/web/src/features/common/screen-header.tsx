"use client";

import type { ReactNode } from "react";
import { BackToList } from "../conversation/conversation-header";

/** The head of a screen that is no conversation. */
export function ScreenHeader({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <header
      data-region
      tabIndex={-1}
      className="flex h-14 shrink-0 items-center gap-2 border-line border-b px-2 md:px-5"
    >
      <BackToList />
      <h1 className="min-w-0 flex-1 truncate font-semibold text-lg">{title}</h1>
      {children}
    </header>
  );
}

"use client";

import { Tooltip as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { Keys } from "./keys";

export const TooltipProvider = Radix.Provider;

/** Shows what a control without words does. The control has the same name for assistive technology already. */
export function Tooltip({ text, keys, children }: { text: string; keys?: string | undefined; children: ReactNode }) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{children}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          sideOffset={6}
          collisionPadding={8}
          aria-hidden
          className="z-50 flex max-w-64 animate-appear select-none items-center gap-2 rounded-md bg-text px-2 py-1 text-canvas text-sm shadow-lift"
        >
          {text}
          {keys && <Keys of={keys} />}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

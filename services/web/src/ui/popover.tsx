"use client";

import { clsx as cx } from "clsx";
import { Popover as Radix } from "radix-ui";
import type { ReactNode } from "react";

/** Something small and focusable beside what opened it. `label` names it for assistive technology. */
export function Popover(props: {
  label: string;
  trigger: ReactNode;
  children: ReactNode;
  className?: string;
  side?: "top" | "bottom" | "left" | "right";
  align?: "start" | "center" | "end";
  open?: boolean;
  onOpenChange?: (open: boolean) => void;
}) {
  const control = {
    ...(props.open === undefined ? {} : { open: props.open }),
    ...(props.onOpenChange ? { onOpenChange: props.onOpenChange } : {}),
  };
  return (
    <Radix.Root {...control}>
      <Radix.Trigger asChild>{props.trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          aria-label={props.label}
          side={props.side ?? "bottom"}
          align={props.align ?? "start"}
          sideOffset={6}
          collisionPadding={8}
          className={cx(
            "z-50 max-h-(--radix-popover-content-available-height) max-w-[92vw] animate-appear overflow-auto rounded-lg border border-line bg-raised shadow-lift",
            props.className,
          )}
        >
          {props.children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

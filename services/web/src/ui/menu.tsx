"use client";

import { clsx as cx } from "clsx";
import { Check, type LucideIcon } from "lucide-react";
import { DropdownMenu as Radix } from "radix-ui";
import { type ReactNode, useRef } from "react";

const PANEL =
  "z-50 min-w-52 max-w-80 animate-appear rounded-md border border-line bg-raised p-1 text-text shadow-lift " +
  "max-h-(--radix-dropdown-menu-content-available-height) overflow-y-auto";
const ITEM =
  "flex min-h-8 cursor-pointer select-none items-center gap-2.5 rounded-sm px-2.5 py-1 outline-none " +
  "data-highlighted:bg-hover data-disabled:opacity-50";

/** A menu of actions at the control that opens it. In the document it stands in the same landmark. */
export function Menu(props: {
  trigger: ReactNode;
  children: ReactNode;
  align?: "start" | "end";
  open?: boolean;
  onOpenChange?: (open: boolean) => void;
}) {
  const control = {
    ...(props.open === undefined ? {} : { open: props.open }),
    ...(props.onOpenChange ? { onOpenChange: props.onOpenChange } : {}),
  };
  const trigger = useRef<HTMLButtonElement>(null);
  return (
    <Radix.Root modal={false} {...control}>
      <Radix.Trigger asChild ref={trigger}>
        {props.trigger}
      </Radix.Trigger>
      <Radix.Portal container={trigger.current?.closest<HTMLElement>("main, nav") ?? null}>
        <Radix.Content align={props.align ?? "end"} sideOffset={4} collisionPadding={8} className={PANEL}>
          {props.children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

export function MenuItem(props: {
  icon?: LucideIcon;
  onSelect: () => void;
  danger?: boolean;
  disabled?: boolean;
  children: ReactNode;
}) {
  const Icon = props.icon;
  return (
    <Radix.Item
      className={cx(ITEM, props.danger && "text-danger")}
      disabled={props.disabled ?? false}
      onSelect={props.onSelect}
    >
      {Icon && <Icon aria-hidden className="size-4 shrink-0" />}
      <span className="min-w-0 flex-1 truncate">{props.children}</span>
    </Radix.Item>
  );
}

/** One of several, of which one is chosen. */
export function MenuChoice<Value extends string>(props: {
  label: string;
  value: Value | undefined;
  onChange: (value: Value) => void;
  options: { value: Value; label: string; icon?: ReactNode }[];
}) {
  return (
    <Radix.RadioGroup
      {...(props.value === undefined ? {} : { value: props.value })}
      onValueChange={(value) => props.onChange(value as Value)}
    >
      <Radix.Label className="px-2.5 pt-1.5 pb-1 text-text-3 text-xs">{props.label}</Radix.Label>
      {props.options.map((option) => (
        <Radix.RadioItem key={option.value} value={option.value} className={ITEM}>
          {option.icon}
          <span className="flex-1">{option.label}</span>
          <Radix.ItemIndicator>
            <Check aria-hidden className="size-4 text-accent" />
          </Radix.ItemIndicator>
        </Radix.RadioItem>
      ))}
    </Radix.RadioGroup>
  );
}

export function MenuSeparator() {
  return <Radix.Separator className="my-1 h-px bg-line" />;
}

"use client";

import { Tabs as Radix } from "radix-ui";
import type { ReactNode } from "react";

/** Panels of which one is seen; arrow keys go from one tab to the next. */
export function Tabs<Value extends string>(props: {
  label: string;
  value: Value;
  onChange: (value: Value) => void;
  tabs: { value: Value; label: string }[];
  children: ReactNode;
}) {
  return (
    <Radix.Root
      value={props.value}
      onValueChange={(value) => props.onChange(value as Value)}
      className="flex min-h-0 flex-1 flex-col"
    >
      <Radix.List aria-label={props.label} className="flex shrink-0 gap-1 overflow-x-auto border-line border-b px-4">
        {props.tabs.map((tab) => (
          <Radix.Trigger
            key={tab.value}
            value={tab.value}
            className="-mb-px h-10 shrink-0 border-transparent border-b-2 px-2.5 text-text-2 -outline-offset-2 hover:text-text data-[state=active]:border-accent data-[state=active]:font-medium data-[state=active]:text-text"
          >
            {tab.label}
          </Radix.Trigger>
        ))}
      </Radix.List>
      <Radix.Content value={props.value} className="min-h-0 flex-1 overflow-y-auto -outline-offset-2">
        {props.children}
      </Radix.Content>
    </Radix.Root>
  );
}

"use client";

import { Switch as Radix } from "radix-ui";
import { useId } from "react";

/** On or off, at once. */
export function Switch(props: {
  label: string;
  hint?: string;
  checked: boolean;
  disabled?: boolean;
  onChange: (checked: boolean) => void;
}) {
  const id = useId();
  return (
    <div className="flex items-start gap-4 py-2">
      <div className="min-w-0 flex-1">
        <label htmlFor={id}>{props.label}</label>
        {props.hint && (
          <p id={`${id}-hint`} className="text-sm text-text-3">
            {props.hint}
          </p>
        )}
      </div>
      <Radix.Root
        id={id}
        checked={props.checked}
        disabled={props.disabled ?? false}
        onCheckedChange={props.onChange}
        {...(props.hint ? { "aria-describedby": `${id}-hint` } : {})}
        className="inline-flex h-6 w-10 shrink-0 items-center rounded-full border border-line-strong bg-pressed px-0.5 transition-colors disabled:opacity-50 data-[state=checked]:border-accent-fill data-[state=checked]:bg-accent-fill"
      >
        <Radix.Thumb className="size-4 rounded-full bg-text-2 transition-transform data-[state=checked]:translate-x-[1.05rem] data-[state=checked]:bg-[#ffffff] rtl:data-[state=checked]:-translate-x-[1.05rem]" />
      </Radix.Root>
    </div>
  );
}

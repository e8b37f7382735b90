"use client";

import { clsx } from "clsx";
import { useEffect, useRef } from "react";
import { Avatar } from "@/ui/avatar";
import type { Suggestion } from "./use-suggestions";

/** What fits, above the field; the focus stays in the text. */
export function Suggestions(props: {
  id: string;
  label: string;
  items: readonly Suggestion[];
  chosen: number;
  onChoose: (item: Suggestion) => void;
}) {
  const list = useRef<HTMLDivElement>(null);
  const { chosen } = props;
  useEffect(() => {
    list.current?.children[chosen]?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  return (
    <div
      ref={list}
      id={props.id}
      role="listbox"
      aria-label={props.label}
      className="absolute start-0 bottom-full z-20 mb-3 max-h-72 w-80 max-w-full animate-appear overflow-y-auto rounded-md border border-line bg-raised p-1 shadow-lift"
    >
      {props.items.map((item, index) => (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the focus, and the keys.
        // biome-ignore lint/a11y/useFocusableInteractive: likewise.
        <div
          key={item.key}
          id={`${props.id}-${index}`}
          role="option"
          aria-selected={index === chosen}
          onPointerDown={(event) => event.preventDefault()}
          onClick={() => props.onChoose(item)}
          className={clsx(
            "flex min-h-9 cursor-pointer items-center gap-2.5 rounded-sm px-2 py-1",
            index === chosen ? "bg-accent-soft" : "hover:bg-hover",
          )}
        >
          {item.person ? (
            <Avatar id={item.person.id} name={item.person.display_name} url={item.person.avatar_url} size="sm" />
          ) : (
            <span aria-hidden className="inline-flex size-7 items-center justify-center text-lg text-text-2">
              {item.sign}
            </span>
          )}
          <span dir="auto" className="truncate font-medium">
            {item.label}
          </span>
          <span dir="auto" className="min-w-0 flex-1 truncate text-sm text-text-3">
            {item.detail}
          </span>
        </div>
      ))}
    </div>
  );
}

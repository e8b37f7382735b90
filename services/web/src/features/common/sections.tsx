"use client";

import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { AppLink } from "../navigation/navigation";

/** Pages that belong together: their names at the side, or in a row above on a phone, and the one that is open. */
export function Sections(props: {
  label: string;
  here: string;
  sections: { key: string; href: string; label: string; icon: LucideIcon }[];
  children: ReactNode;
}) {
  return (
    <div className="flex min-h-0 flex-1 flex-col lg:flex-row">
      <nav
        aria-label={props.label}
        className="flex shrink-0 gap-1 overflow-x-auto border-line border-b p-2 lg:w-64 lg:flex-col lg:border-e lg:border-b-0"
      >
        {props.sections.map(({ key, href, label, icon: Icon }) => (
          <AppLink
            key={key}
            href={href}
            aria-current={key === props.here ? "page" : undefined}
            className="flex min-h-9 shrink-0 items-center gap-2.5 rounded-md px-3 py-1 text-text-2 -outline-offset-2 hover:bg-hover aria-[current]:bg-accent-soft aria-[current]:font-medium aria-[current]:text-text"
          >
            <Icon aria-hidden className="size-4 shrink-0" />
            {label}
          </AppLink>
        ))}
      </nav>
      <div data-region tabIndex={-1} className="min-h-0 min-w-0 flex-1 overflow-y-auto p-4 outline-none sm:p-6">
        <div className="max-w-2xl">{props.children}</div>
      </div>
    </div>
  );
}

"use client";

import type { ReactNode } from "react";
import type { Person } from "@/core/types";
import { openOverlay } from "../common/overlay";
import { PersonAvatar } from "./person-avatar";

/** A person in a list: who, a word about them, and what can be done. */
export function PersonLine(props: { person: Person; detail?: ReactNode; presence?: boolean; children?: ReactNode }) {
  const { person } = props;
  return (
    <li className="flex min-h-14 items-center gap-3 rounded-md px-3 py-1.5 hover:bg-surface">
      <button
        type="button"
        onClick={() => openOverlay({ kind: "profile", userId: person.id })}
        className="flex min-w-0 flex-1 items-center gap-3 rounded-md text-start"
      >
        <PersonAvatar id={person.id} presence={props.presence ?? true} />
        <span className="min-w-0">
          <span dir="auto" className="block truncate font-medium">
            {person.display_name}
          </span>
          <span className="block truncate text-sm text-text-3">{props.detail ?? `@${person.username}`}</span>
        </span>
      </button>
      {props.children}
    </li>
  );
}

"use client";

import { openOverlay } from "../common/overlay";
import { usePersonName } from "./person-avatar";

/** A name that leads to its profile. */
export function PersonName({ id }: { id: string }) {
  const name = usePersonName(id);
  return (
    <button
      type="button"
      dir="auto"
      onClick={() => openOverlay({ kind: "profile", userId: id })}
      className="min-h-6 rounded-sm text-accent hover:underline"
    >
      {name}
    </button>
  );
}

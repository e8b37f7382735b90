import { clsx as cx } from "clsx";
import type { ReactNode } from "react";

const TONES = {
  neutral: "bg-pressed text-text-2",
  accent: "bg-accent-soft text-accent",
  mention: "bg-mention text-[#ffffff]",
  danger: "bg-danger-soft text-danger",
  warn: "bg-warn-soft text-warn",
};

/** A count or a word of state. */
export function Badge({ tone = "neutral", children }: { tone?: keyof typeof TONES; children: ReactNode }) {
  return (
    <span
      className={cx(
        "inline-flex h-5 min-w-5 shrink-0 items-center justify-center rounded-full px-1.5 font-semibold text-xs tabular-nums",
        TONES[tone],
      )}
    >
      {children}
    </span>
  );
}

import { clsx } from "clsx";
import type { MyPresence, Presence } from "@/core/types";

const LOOKS: Record<Presence["status"] | MyPresence["status"], string> = {
  online: "bg-ok border-ok",
  away: "bg-canvas border-warn border-2",
  dnd: "bg-danger-fill border-danger-fill",
  invisible: "bg-canvas border-line-strong border-2",
  offline: "bg-canvas border-line-strong border-2",
};

/** How somebody appears, in form and colour; a word for it stands nearby. */
export function PresenceDot({ status, className }: { status: keyof typeof LOOKS; className?: string }) {
  return (
    <span
      aria-hidden
      className={clsx(
        "inline-flex size-2.5 items-center justify-center rounded-full border ring-[1.5px] ring-canvas",
        LOOKS[status],
        className,
      )}
    >
      {status === "dnd" && <span className="h-px w-1 rounded-full bg-on-accent" />}
    </span>
  );
}

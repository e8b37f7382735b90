import { clsx as cx } from "clsx";
import { CircleAlert, CircleCheck, Info, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";

const TONES = {
  info: { icon: Info, look: "bg-accent-soft text-text" },
  done: { icon: CircleCheck, look: "bg-accent-soft text-text" },
  warn: { icon: TriangleAlert, look: "bg-warn-soft text-text" },
  danger: { icon: CircleAlert, look: "bg-danger-soft text-text" },
};

/** A line that stays as long as what it says holds. `danger` is told to assistive technology at once. */
export function Banner(props: { tone: keyof typeof TONES; children: ReactNode; action?: ReactNode; flush?: boolean }) {
  const { icon: Icon, look } = TONES[props.tone];
  return (
    <div
      role={props.tone === "danger" ? "alert" : "status"}
      className={cx("flex items-center gap-2.5 px-3.5 py-2 text-sm", look, !props.flush && "rounded-md")}
    >
      <Icon aria-hidden className="size-4.5 shrink-0" />
      <div className="min-w-0 flex-1">{props.children}</div>
      {props.action}
    </div>
  );
}

import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

/** Says what would be here, and what to do about it. */
export function EmptyState(props: { icon: LucideIcon; title: string; text?: string; children?: ReactNode }) {
  const Icon = props.icon;
  return (
    <div className="flex flex-col items-center justify-center gap-2 px-6 py-12 text-center">
      <span className="mb-1 inline-flex size-14 items-center justify-center rounded-full bg-accent-soft text-accent">
        <Icon aria-hidden className="size-6" />
      </span>
      <p className="font-semibold text-lg">{props.title}</p>
      {props.text && <p className="max-w-96 text-balance text-text-2">{props.text}</p>}
      {props.children && <div className="mt-3 flex flex-wrap justify-center gap-2">{props.children}</div>}
    </div>
  );
}

import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

/** Says what would be here, and what to do about it. */
export function EmptyState(props: {
  icon: LucideIcon;
  title: string;
  text?: string;
  /** Where it is all that the page has, its title is the page's. */
  as?: "h1" | "p";
  children?: ReactNode;
}) {
  const Icon = props.icon;
  const Title = props.as ?? "p";
  return (
    <div className="flex flex-col items-center justify-center gap-2 px-6 py-12 text-center">
      <span className="mb-1 inline-flex size-14 items-center justify-center rounded-full bg-accent-soft text-accent">
        <Icon aria-hidden className="size-6" />
      </span>
      <Title className="font-semibold text-lg">{props.title}</Title>
      {props.text && <p className="max-w-96 text-balance text-text-2">{props.text}</p>}
      {props.children && <div className="mt-3 flex flex-wrap justify-center gap-2">{props.children}</div>}
    </div>
  );
}

import { clsx as cx } from "clsx";

/** Stands where something will be, at its size. */
export function Skeleton({ className, round = false }: { className: string; round?: boolean }) {
  const shape = round ? "rounded-full" : "rounded-sm";
  return <span aria-hidden className={cx("block animate-pulse-soft bg-pressed", shape, className)} />;
}

/** Rows of a list that is being fetched; `label` says so to assistive technology. */
export function SkeletonRows({ rows = 6, label }: { rows?: number; label: string }) {
  return (
    <div role="status" aria-label={label} className="flex flex-col">
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows are all alike and never move.
        <div key={row} className="flex h-14 items-center gap-3 px-4">
          <Skeleton round className="size-9 shrink-0" />
          <div className="flex flex-1 flex-col gap-2">
            <Skeleton className={cx("h-3", row % 2 ? "w-28" : "w-36")} />
            <Skeleton className={cx("h-3", row % 3 ? "w-3/5" : "w-2/5")} />
          </div>
        </div>
      ))}
    </div>
  );
}

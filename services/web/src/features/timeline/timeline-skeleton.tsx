"use client";

import { clsx } from "clsx";
import { useTranslations } from "use-intl";
import { Skeleton } from "@/ui/skeleton";

const WIDTHS = ["w-3/5", "w-2/5", "w-4/5", "w-1/3", "w-1/2", "w-3/4", "w-2/5"];

/** Stands where messages will be. */
export function TimelineSkeleton() {
  const t = useTranslations("common");
  return (
    <div role="status" aria-label={t("loading")} className="flex flex-col gap-5 px-5 py-3">
      {WIDTHS.map((width, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows never move.
        <div key={row} className="flex gap-3">
          <Skeleton round className="size-9 shrink-0" />
          <div className="flex flex-1 flex-col gap-2 pt-1">
            <Skeleton className="h-3 w-32" />
            <Skeleton className={clsx("h-3", width)} />
          </div>
        </div>
      ))}
    </div>
  );
}

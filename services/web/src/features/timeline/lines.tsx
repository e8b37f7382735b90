"use client";

import { useTranslations } from "use-intl";
import { useMoments } from "../common/moments";

/** The line before a new day. */
export function DayLine({ at }: { at: number }) {
  const { dayTitle } = useMoments();
  return (
    <div className="flex items-center gap-3 px-5 pt-5 pb-1.5">
      <div aria-hidden className="h-px flex-1 bg-line" />
      <h2 className="font-medium text-sm text-text-2">{dayTitle(at)}</h2>
      <div aria-hidden className="h-px flex-1 bg-line" />
    </div>
  );
}

/** The line before what is new to the reader. */
export function NewLine() {
  const t = useTranslations("timeline");
  return (
    <div data-testid="new-line" className="flex items-center gap-2.5 px-5 pt-3 pb-1">
      <div aria-hidden className="h-px flex-1 bg-mention" />
      <h2 className="font-semibold text-mention-text text-xs">{t("newLine")}</h2>
    </div>
  );
}

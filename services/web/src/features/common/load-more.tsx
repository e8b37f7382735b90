"use client";

import { useTranslations } from "use-intl";
import { Button } from "@/ui/button";

/** Fetches the next page of a list. */
export function LoadMore(query: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown }) {
  const t = useTranslations("common");
  if (!query.hasNextPage) return null;
  return (
    <div className="flex justify-center p-4">
      <Button size="sm" busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
        {t("loadMore")}
      </Button>
    </div>
  );
}

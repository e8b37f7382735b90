"use client";

import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslations } from "use-intl";
import { ok } from "@/api/client";
import { useApi } from "@/core/react";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { SkeletonRows } from "@/ui/skeleton";
import { cursorPages } from "../common/cursor-pages";
import { Failed } from "../common/failed";
import { LoadMore } from "../common/load-more";
import { useMoments } from "../common/moments";
import { useAttempt } from "../common/use-attempt";

const KEY = ["erasures"];

/** How far the erasure of accounts has come. */
export function Erasures() {
  const t = useTranslations("admin");
  const common = useTranslations("common");
  const api = useApi();
  const queries = useQueryClient();
  const attempt = useAttempt();
  const { short, ago } = useMoments();
  const erasures = useInfiniteQuery({
    queryKey: KEY,
    ...cursorPages(50, (page, signal) => ok(api.GET("/api/v1/admin/erasures", { params: { query: page }, signal }))),
  });
  if (erasures.isPending) return <SkeletonRows label={common("loading")} />;
  if (erasures.error) return <Failed error={erasures.error} onRetry={erasures.refetch} />;
  const shown = erasures.data.pages.flatMap((page) => page.items);
  const again = (user_id: string) =>
    void attempt(async () => {
      await ok(api.POST("/api/v1/admin/erasures/{user_id}/retry", { params: { path: { user_id } } }));
      await queries.invalidateQueries({ queryKey: KEY });
    });
  if (shown.length === 0) return <p className="py-6 text-center text-text-3">{t("noEvents")}</p>;
  return (
    <>
      <ul className="flex flex-col divide-y divide-line border-line border-y">
        {shown.map((erasure) => (
          <li key={erasure.user_id} className="flex min-h-14 items-center gap-3 py-2">
            <div className="min-w-0 flex-1">
              <p className="truncate font-mono text-sm">{erasure.user_id}</p>
              <p className="text-sm text-text-3">{short(erasure.requested_at)}</p>
            </div>
            {erasure.finished_at ? (
              <Badge tone="accent">{t("finished", { when: ago(erasure.finished_at) })}</Badge>
            ) : (
              <>
                <Badge tone="warn">{t("unfinished")}</Badge>
                <Button size="sm" onClick={() => again(erasure.user_id)}>
                  {t("retryErasure")}
                </Button>
              </>
            )}
          </li>
        ))}
      </ul>
      <LoadMore {...erasures} />
    </>
  );
}

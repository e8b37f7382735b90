"use client";

import { useTranslations } from "use-intl";
import { useVersions } from "@/core/react";
import type { Message } from "@/core/types";
import { Dialog } from "@/ui/dialog";
import { SkeletonRows } from "@/ui/skeleton";
import { Failed } from "../common/failed";
import { useMoments } from "../common/moments";
import { Markdown } from "../markdown/markdown";

/** What a message said before it was edited, the latest first. */
export default function HistoryDialog({ message, onClose }: { message: Message; onClose: () => void }) {
  const t = useTranslations("message");
  const common = useTranslations("common");
  const { short } = useMoments();
  const versions = useVersions(message);
  return (
    <Dialog open onOpenChange={onClose} title={t("history")}>
      {versions.isPending ? (
        <SkeletonRows rows={3} label={common("loading")} />
      ) : versions.error ? (
        <Failed error={versions.error} onRetry={versions.refetch} />
      ) : (
        <ol className="flex flex-col gap-4">
          <li>
            <p className="mb-1 text-sm text-text-3">{t("historyNow")}</p>
            <Markdown text={message.body} />
          </li>
          {versions.data.map((version) => (
            <li key={version.edited_at} className="border-line border-t pt-3">
              <p className="mb-1 text-sm text-text-3">
                <time dateTime={version.edited_at}>{short(version.edited_at)}</time>
              </p>
              <Markdown text={version.body} />
            </li>
          ))}
        </ol>
      )}
    </Dialog>
  );
}

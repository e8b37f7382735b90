"use client";

import { Pin, PinOff } from "lucide-react";
import { useTranslations } from "use-intl";
import { useMe, useMessageActions, usePins } from "@/core/react";
import type { Conversation } from "@/core/types";
import { EmptyState } from "@/ui/empty-state";
import { IconButton } from "@/ui/icon-button";
import { SkeletonRows } from "@/ui/skeleton";
import { Failed } from "../common/failed";
import { useAttempt } from "../common/use-attempt";
import { MessageCard } from "../timeline/message-card";
import { PaneHeader } from "./pane-header";
import { permissionsIn } from "./permissions";

/** What is pinned in a conversation. */
export default function PinsPane({ conversation, onClose }: { conversation: Conversation; onClose: () => void }) {
  const t = useTranslations("conversation");
  const message = useTranslations("message");
  const common = useTranslations("common");
  const me = useMe();
  const { unpin } = useMessageActions();
  const attempt = useAttempt();
  const pins = usePins(conversation.id, conversation.pins);
  const mayPin = permissionsIn(conversation, me).pin;
  return (
    <section aria-label={t("pins")} className="flex min-h-0 flex-1 flex-col">
      <PaneHeader title={t("pins")} onClose={onClose} />
      <div className="min-h-0 flex-1 overflow-y-auto p-2">
        {pins.isPending ? (
          <SkeletonRows rows={Math.max(conversation.pins.length, 1)} label={common("loading")} />
        ) : pins.error ? (
          <Failed error={pins.error} onRetry={pins.refetch} />
        ) : pins.data.length === 0 ? (
          <EmptyState icon={Pin} title={t("noPins")} text={t("noPinsText")} />
        ) : (
          pins.data.map((pinned) => (
            <MessageCard
              key={pinned.id}
              message={pinned}
              action={
                mayPin && (
                  <IconButton
                    size="sm"
                    icon={PinOff}
                    label={message("unpin")}
                    onClick={() => void attempt(() => unpin(pinned))}
                  />
                )
              }
            />
          ))
        )}
      </div>
    </section>
  );
}

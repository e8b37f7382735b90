"use client";

import { useTranslations } from "use-intl";
import { useConversationNotifications } from "@/core/react";
import type { Conversation, ConversationNotifications, Level } from "@/core/types";
import { Button } from "@/ui/button";
import { RadioGroup } from "@/ui/field";
import { SkeletonRows } from "@/ui/skeleton";
import { useMoments } from "../common/moments";
import { useAttempt } from "../common/use-attempt";

const HOUR_MS = 3600_000;
const MUTES = [
  ["muteHour", HOUR_MS],
  ["muteDay", 24 * HOUR_MS],
  ["muteWeek", 7 * 24 * HOUR_MS],
] as const;

/** What one wants to be told of in this conversation. */
export function DetailsNotifications({ conversation }: { conversation: Conversation }) {
  const t = useTranslations("conversation");
  const common = useTranslations("common");
  const attempt = useAttempt();
  const { short } = useMoments();
  const { choice, set } = useConversationNotifications(conversation.id);
  if (!choice) return <SkeletonRows rows={4} label={common("loading")} />;
  const change = (next: ConversationNotifications) => void attempt(() => set(next));
  const muted = choice.mutedUntil !== null && Date.parse(choice.mutedUntil) > Date.now() ? choice.mutedUntil : null;
  return (
    <div className="flex flex-col gap-5 p-4">
      <RadioGroup<Level | "default">
        label={t("notifications")}
        value={choice.level ?? "default"}
        onChange={(level) => change({ ...choice, level: level === "default" ? null : level })}
        options={[
          { value: "default", label: t("levelDefault") },
          { value: "all", label: t("levelAll") },
          { value: "mentions", label: t("levelMentions") },
          { value: "none", label: t("levelNone") },
        ]}
      />
      <section className="flex flex-col gap-2">
        <h3 className="font-medium text-sm">{t("mute")}</h3>
        {muted ? (
          <div className="flex items-center justify-between gap-3">
            <p>{t("mutedUntil", { when: short(muted) })}</p>
            <Button size="sm" onClick={() => change({ ...choice, mutedUntil: null })}>
              {t("unmute")}
            </Button>
          </div>
        ) : (
          <div className="flex flex-wrap gap-2">
            {MUTES.map(([name, ms]) => (
              <Button
                key={name}
                size="sm"
                onClick={() => change({ ...choice, mutedUntil: new Date(Date.now() + ms).toISOString() })}
              >
                {t(name)}
              </Button>
            ))}
          </div>
        )}
      </section>
    </div>
  );
}

"use client";

import { useTranslations } from "use-intl";
import { ok } from "@/api/client";
import { useApi, useMe, useSessionActions } from "@/core/react";
import type { Me } from "@/core/types";
import { RadioGroup } from "@/ui/field";
import { Switch } from "@/ui/switch";
import { useAttempt } from "../common/use-attempt";

/** What others see of what one does. */
export default function PrivacySettings() {
  const t = useTranslations("settings");
  const { privacy } = useMe();
  const api = useApi();
  const attempt = useAttempt();
  const { reload } = useSessionActions();
  const change = (changes: Partial<Me["privacy"]>) =>
    void attempt(async () => {
      await ok(api.PATCH("/api/v1/users/me", { body: { privacy: changes } }));
      await reload();
    });
  return (
    <div className="flex flex-col gap-6">
      <Switch
        label={t("receipts")}
        hint={t("receiptsHint")}
        checked={privacy.read_receipts}
        onChange={(read_receipts) => change({ read_receipts })}
      />
      <RadioGroup
        label={t("lastSeen")}
        value={privacy.last_seen}
        onChange={(last_seen) => change({ last_seen })}
        options={[
          { value: "everyone", label: t("lastSeenEveryone") },
          { value: "contacts", label: t("lastSeenContacts") },
          { value: "nobody", label: t("lastSeenNobody") },
        ]}
      />
    </div>
  );
}

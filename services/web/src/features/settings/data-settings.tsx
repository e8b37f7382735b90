"use client";

import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslations } from "use-intl";
import { ok } from "@/api/client";
import { useApi, useMe, useSessionActions } from "@/core/react";
import { Banner } from "@/ui/banner";
import { Button } from "@/ui/button";
import { useProblemText } from "../common/problem-text";
import { ConfirmIdentity } from "./confirm-identity";
import { useSecondFactor } from "./use-second-factor";

/** Saves text as a file of the device. */
function save(name: string, text: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Everything held about the reader: to take along, or to erase. */
export default function DataSettings() {
  const t = useTranslations("settings");
  const problemText = useProblemText();
  const api = useApi();
  const me = useMe();
  const { signOut } = useSessionActions();
  const factor = useSecondFactor();
  const [erasing, setErasing] = useState(false);
  const exporting = useMutation({
    mutationFn: async () => {
      const data = (await ok(api.GET("/api/v1/users/me/export"))) as { complete?: boolean };
      save(`chatcluster-${me.username}.json`, JSON.stringify(data, null, 2));
      return data.complete === true;
    },
  });
  return (
    <div className="flex flex-col gap-8">
      <section aria-label={t("exportTitle")} className="flex flex-col items-start gap-3">
        <h3 className="font-semibold">{t("exportTitle")}</h3>
        <p className="text-text-2">{t("exportText")}</p>
        {exporting.error && <Banner tone="danger">{problemText(exporting.error)}</Banner>}
        {exporting.data === false && <Banner tone="warn">{t("exportPartial")}</Banner>}
        <Button busy={exporting.isPending} onClick={() => exporting.mutate()}>
          {t("exportAction")}
        </Button>
      </section>
      <section aria-label={t("eraseTitle")} className="flex flex-col items-start gap-3 border-line border-t pt-6">
        <h3 className="font-semibold">{t("eraseTitle")}</h3>
        <p className="text-text-2">{t("eraseText")}</p>
        <Button variant="danger" onClick={() => setErasing(true)}>
          {t("eraseAction")}
        </Button>
      </section>
      {erasing && (
        <ConfirmIdentity
          title={t("eraseTitle")}
          action={t("eraseAction")}
          danger
          code={factor.data?.active ?? false}
          onConfirm={async (body) => {
            await ok(api.DELETE("/api/v1/users/me", { body }));
            await signOut();
          }}
          onClose={() => setErasing(false)}
        >
          <p>{t("eraseText")}</p>
        </ConfirmIdentity>
      )}
    </div>
  );
}

"use client";

import { useTranslations } from "use-intl";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { useAttempt } from "../common/use-attempt";

/** The codes for the day the phone is gone, once. */
export function RecoveryCodes({ codes, onClose }: { codes: readonly string[]; onClose: () => void }) {
  const t = useTranslations("settings");
  const common = useTranslations("common");
  const attempt = useAttempt();
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={t("codesTitle")}
      description={t("codesText")}
      footer={
        <>
          <Button onClick={() => void attempt(() => navigator.clipboard.writeText(codes.join("\n")), common("copied"))}>
            {common("copy")}
          </Button>
          <Button variant="primary" onClick={onClose}>
            {common("done")}
          </Button>
        </>
      }
    >
      <ul dir="ltr" className="grid grid-cols-2 gap-2 rounded-md bg-surface p-4 text-center font-mono">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
    </Dialog>
  );
}

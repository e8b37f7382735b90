"use client";

import { useTranslations } from "use-intl";
import { SkeletonRows } from "@/ui/skeleton";
import { Failed } from "../common/failed";
import { PasswordForm } from "./password-form";
import { SecondFactor } from "./second-factor";
import { SecurityEvents } from "./security-events";
import { useSecondFactor } from "./use-second-factor";

/** Password, second factor, and what happened to the account. */
export default function SecuritySettings() {
  const t = useTranslations("settings");
  const common = useTranslations("common");
  const factor = useSecondFactor();
  if (factor.isPending) return <SkeletonRows rows={4} label={common("loading")} />;
  if (factor.error) return <Failed error={factor.error} onRetry={factor.refetch} />;
  return (
    <div className="flex flex-col gap-8">
      <section aria-label={t("passwordTitle")}>
        <h3 className="font-semibold">{t("passwordTitle")}</h3>
        <p className="mt-1 mb-3 text-text-2">{t("passwordText")}</p>
        <PasswordForm code={factor.data.active} />
      </section>
      <section aria-label={t("totpTitle")}>
        <h3 className="font-semibold">{t("totpTitle")}</h3>
        <p className="mt-1 mb-3 text-text-2">{t("totpText")}</p>
        <SecondFactor active={factor.data.active} left={factor.data.recovery_codes_left} />
      </section>
      <section aria-label={t("eventsTitle")}>
        <h3 className="mb-2 font-semibold">{t("eventsTitle")}</h3>
        <SecurityEvents />
      </section>
    </div>
  );
}

"use client";

import { Flag, History } from "lucide-react";
import { useTranslations } from "use-intl";
import { useMe } from "@/core/react";
import { ScreenHeader } from "../common/screen-header";
import { Sections } from "../common/sections";
import { Nowhere } from "../shell/nowhere";
import { ModerationAudit } from "./moderation-audit";
import { Reports } from "./reports";

/** For moderators: what was reported. For administrators also: what moderators did. */
export default function ModerationScreen({ section }: { section: string | null }) {
  const t = useTranslations("moderation");
  const shell = useTranslations("shell");
  const { role } = useMe();
  const admin = role === "admin";
  const here = section ?? "reports";
  const known = here === "reports" || (here === "audit" && admin);
  if (!(admin || role === "moderator") || !known) return <Nowhere />;
  return (
    <>
      <ScreenHeader title={shell("moderation")} />
      <Sections
        label={shell("moderation")}
        here={here}
        sections={[
          { key: "reports", href: "/moderation", label: t("reports"), icon: Flag },
          ...(admin ? [{ key: "audit", href: "/moderation/audit", label: t("audit"), icon: History }] : []),
        ]}
      >
        {here === "reports" ? <Reports /> : <ModerationAudit />}
      </Sections>
    </>
  );
}

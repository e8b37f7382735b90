"use client";

import { Compass } from "lucide-react";
import { useTranslations } from "use-intl";
import { buttonClass } from "@/ui/button";
import { EmptyState } from "@/ui/empty-state";
import { AppLink } from "../navigation/navigation";

/** What stands at an address that leads to nothing. */
export function Nowhere() {
  const t = useTranslations("shell");
  return (
    <div className="flex flex-1 flex-col justify-center">
      <EmptyState as="h1" icon={Compass} title={t("notFound")} text={t("notFoundText")}>
        <AppLink href="/" className={buttonClass("secondary")}>
          {t("home")}
        </AppLink>
      </EmptyState>
    </div>
  );
}

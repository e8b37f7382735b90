"use client";

import { TriangleAlert } from "lucide-react";
import { useTranslations } from "use-intl";
import { Button } from "@/ui/button";
import { EmptyState } from "@/ui/empty-state";

/** What stands where drawing failed. What was written is in the browser's database, not on the page. */
export default function ErrorPage() {
  const t = useTranslations("shell");
  return (
    <main className="flex min-h-dvh flex-col justify-center">
      <EmptyState icon={TriangleAlert} title={t("failedTitle")} text={t("failedText")}>
        <Button variant="primary" onClick={() => location.reload()}>
          {t("reload")}
        </Button>
      </EmptyState>
    </main>
  );
}

"use client";

import { CircleAlert } from "lucide-react";
import { useTranslations } from "use-intl";
import { Button } from "@/ui/button";
import { EmptyState } from "@/ui/empty-state";
import { useProblemText } from "./problem-text";

/** What stands in place of something that could not be fetched. */
export function Failed({ error, onRetry }: { error: unknown; onRetry: () => unknown }) {
  const t = useTranslations("common");
  const problemText = useProblemText();
  return (
    <EmptyState icon={CircleAlert} title={problemText(error)}>
      <Button onClick={() => void onRetry()}>{t("retry")}</Button>
    </EmptyState>
  );
}

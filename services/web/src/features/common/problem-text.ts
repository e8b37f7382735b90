"use client";

import { useCallback } from "react";
import { useFormatter, useTranslations } from "use-intl";
import { Problem } from "@/core/types";

/** Says in the reader's language what a failed call means. What we have no words for keeps the server's. */
export function useProblemText(): (error: unknown) => string {
  const t = useTranslations("problem");
  const format = useFormatter();
  return useCallback(
    (error) => {
      const problem = Problem.from(error);
      if (problem.status === 0) return t("offline");
      const now = Date.now();
      const when = format.relativeTime(now + (problem.retryAfterMs ?? 5_000), now);
      const detail = problem.errors?.map((field) => field.message).join(" ") || problem.detail;
      const code = t.has(problem.code as "unknown") ? (problem.code as "unknown") : "unknown";
      return t(code, { detail, when });
    },
    [t, format],
  );
}

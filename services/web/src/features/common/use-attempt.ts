"use client";

import { useCallback } from "react";
import { toast } from "@/ui/toast";
import { useProblemText } from "./problem-text";

/** Runs what may be refused, and says so in a toast; true when it was done. */
export function useAttempt(): (run: () => Promise<unknown>, done?: string) => Promise<boolean> {
  const problemText = useProblemText();
  return useCallback(
    async (run, done) => {
      try {
        await run();
        if (done) toast(done);
        return true;
      } catch (error) {
        toast(problemText(error), "failed");
        return false;
      }
    },
    [problemText],
  );
}

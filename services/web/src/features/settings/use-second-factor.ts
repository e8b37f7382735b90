"use client";

import { useQuery } from "@tanstack/react-query";
import { ok } from "@/api/client";
import { useApi } from "@/core/react";

export const SECOND_FACTOR = ["second-factor"];

/** Whether logins ask for a code, and how many recovery codes are left. */
export function useSecondFactor() {
  const api = useApi();
  return useQuery({ queryKey: SECOND_FACTOR, queryFn: ({ signal }) => ok(api.GET("/api/v1/auth/totp", { signal })) });
}

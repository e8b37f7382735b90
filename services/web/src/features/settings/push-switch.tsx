"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslations } from "use-intl";
import { useApi } from "@/core/react";
import { Switch } from "@/ui/switch";
import { useAttempt } from "../common/use-attempt";
import { beginPush, canPush, endPush, hasPush } from "./push";

const KEY = ["push-here"];

/** Pushes to this device, on or off. */
export function PushSwitch() {
  const t = useTranslations("settings");
  const api = useApi();
  const queries = useQueryClient();
  const attempt = useAttempt();
  const { data: on = false } = useQuery({ queryKey: KEY, queryFn: hasPush });
  const [denied, setDenied] = useState(canPush() && Notification.permission === "denied");
  const can = canPush();
  const change = (next: boolean) =>
    void attempt(async () => {
      if (next) setDenied(!(await beginPush(api)));
      else await endPush();
      await queries.invalidateQueries({ queryKey: KEY });
    });
  return (
    <Switch
      label={t("pushHere")}
      hint={t(!can ? "pushUnsupported" : denied ? "pushDenied" : "pushHereHint")}
      checked={on}
      disabled={!can}
      onChange={change}
    />
  );
}

"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { MonitorSmartphone } from "lucide-react";
import { useTranslations } from "use-intl";
import { ok } from "@/api/client";
import { useApi } from "@/core/react";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { SkeletonRows } from "@/ui/skeleton";
import { Failed } from "../common/failed";
import { useMoments } from "../common/moments";
import { useAttempt } from "../common/use-attempt";
import { deviceName } from "./device-name";

const KEY = ["sessions"];

/** Where one is signed in. */
export default function DeviceSettings() {
  const t = useTranslations("settings");
  const common = useTranslations("common");
  const api = useApi();
  const queries = useQueryClient();
  const attempt = useAttempt();
  const { ago } = useMoments();
  const sessions = useQuery({
    queryKey: KEY,
    queryFn: async ({ signal }) => (await ok(api.GET("/api/v1/auth/sessions", { signal }))).items,
  });
  if (sessions.isPending) return <SkeletonRows rows={3} label={common("loading")} />;
  if (sessions.error) return <Failed error={sessions.error} onRetry={sessions.refetch} />;
  const revoke = (call: () => Promise<unknown>) =>
    void attempt(async () => {
      await call();
      await queries.invalidateQueries({ queryKey: KEY });
    });
  return (
    <div className="flex flex-col gap-4">
      <p className="text-text-2">{t("devicesText")}</p>
      <ul className="flex flex-col divide-y divide-line border-line border-y">
        {sessions.data.map((session) => {
          const name = deviceName(session.user_agent) ?? t("deviceUnknown");
          return (
            <li key={session.id} className="flex min-h-16 items-center gap-3 py-2">
              <MonitorSmartphone aria-hidden className="size-5 shrink-0 text-text-3" />
              <div className="min-w-0 flex-1">
                <p className="flex flex-wrap items-center gap-2 font-medium">
                  {name} {session.current && <Badge tone="accent">{t("deviceThis")}</Badge>}
                </p>
                <p className="text-sm text-text-3">{t("deviceUsed", { when: ago(session.last_used_at) })}</p>
              </div>
              {!session.current && (
                <Button
                  size="sm"
                  aria-label={t("revokeNamed", { name })}
                  onClick={() =>
                    revoke(() =>
                      ok(
                        api.DELETE("/api/v1/auth/sessions/{session_id}", {
                          params: { path: { session_id: session.id } },
                        }),
                      ),
                    )
                  }
                >
                  {t("revoke")}
                </Button>
              )}
            </li>
          );
        })}
      </ul>
      {sessions.data.length > 1 && (
        <Button
          variant="danger"
          className="self-start"
          onClick={() => revoke(() => ok(api.DELETE("/api/v1/auth/sessions")))}
        >
          {t("revokeOthers")}
        </Button>
      )}
    </div>
  );
}

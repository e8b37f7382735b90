"use client";

import { CloudOff, RefreshCw } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslations } from "use-intl";
import { useConnection, useRetryNow } from "@/core/react";

/** A change of state that is over within this time is none to tell. */
const GRACE_MS = 1_500;

/** The time, each second, while somebody counts it. */
function useNow(counting: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!counting) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [counting]);
  return now;
}

/** Tells the truth about the connection, and how many messages wait for it. Nothing while all is well. */
export function ConnectionBanner() {
  const t = useTranslations("connection");
  const { status, retryAt, since, waiting } = useConnection();
  const retryNow = useRetryNow();
  const away = status !== "online";
  const now = useNow(away);
  const shown = away && now - since >= GRACE_MS;
  const seconds = retryAt === null ? 0 : Math.ceil((retryAt - now) / 1_000);
  const text =
    status === "offline"
      ? t("offline")
      : status === "connecting"
        ? t("connecting")
        : seconds > 0
          ? t("retryIn", { seconds })
          : t("reconnecting");
  const Icon = status === "offline" ? CloudOff : RefreshCw;
  return (
    <>
      {/* Told once as it changes: a count of seconds read aloud would drown everything else. */}
      <p role="status" className="sr-only">
        {shown ? (status === "reconnecting" ? t("reconnecting") : text) : ""}
      </p>
      {shown && (
        <div
          data-testid="connection"
          data-status={status}
          className="flex min-h-10 shrink-0 flex-wrap items-center gap-x-2.5 gap-y-1 border-line border-b bg-warn-soft px-4 py-1.5 text-sm"
        >
          <Icon aria-hidden className="size-4 shrink-0 text-warn" />
          <span className="min-w-0 flex-1">
            {text} {waiting > 0 && <strong className="font-semibold">{t("waiting", { count: waiting })}</strong>}
          </span>
          {status === "reconnecting" && (
            <button
              type="button"
              onClick={retryNow}
              className="h-7 rounded-md border border-line-strong px-2.5 font-medium hover:bg-hover"
            >
              {t("now")}
            </button>
          )}
        </div>
      )}
    </>
  );
}

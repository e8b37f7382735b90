"use client";

import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { ShieldCheck } from "lucide-react";
import { useState } from "react";
import { useTranslations } from "use-intl";
import { ok } from "@/api/client";
import type { components } from "@/api/schema";
import { useApi } from "@/core/react";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { EmptyState } from "@/ui/empty-state";
import { Field, Select, TextArea } from "@/ui/field";
import { SkeletonRows } from "@/ui/skeleton";
import { cursorPages } from "../common/cursor-pages";
import { Failed } from "../common/failed";
import { LoadMore } from "../common/load-more";
import { useMoments } from "../common/moments";
import { useAttempt } from "../common/use-attempt";
import { Markdown } from "../markdown/markdown";
import { usePersonName } from "../people/person-avatar";

type Report = components["schemas"]["Report"];

const KEY = "reports";
const STATES = ["open", "resolved", "dismissed"] as const;

/** What people reported, by what became of it. */
export function Reports() {
  const t = useTranslations("moderation");
  const common = useTranslations("common");
  const api = useApi();
  const [state, setState] = useState<Report["state"]>("open");
  const reports = useInfiniteQuery({
    queryKey: [KEY, state],
    ...cursorPages(30, (page, signal) =>
      ok(api.GET("/api/v1/moderation/reports", { params: { query: { ...page, state } }, signal })),
    ),
  });
  const shown = reports.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="flex flex-col gap-4">
      <div className="w-48">
        <Field label={t("state")}>
          <Select value={state} onChange={(event) => setState(event.target.value as Report["state"])}>
            {STATES.map((value) => (
              <option key={value} value={value}>
                {t(value)}
              </option>
            ))}
          </Select>
        </Field>
      </div>
      {reports.isPending ? (
        <SkeletonRows label={common("loading")} />
      ) : reports.error ? (
        <Failed error={reports.error} onRetry={reports.refetch} />
      ) : shown.length === 0 ? (
        <EmptyState icon={ShieldCheck} title={t("none")} text={t("noneText")} />
      ) : (
        <ul className="flex flex-col gap-3">
          {shown.map((report) => (
            <li key={report.id}>
              <ReportCard report={report} />
            </li>
          ))}
        </ul>
      )}
      <LoadMore {...reports} />
    </div>
  );
}

function ReportCard({ report }: { report: Report }) {
  const t = useTranslations("moderation");
  const reasons = useTranslations("report");
  const { ago, short } = useMoments();
  const sender = usePersonName(report.sender_id);
  const reporter = usePersonName(report.reporter_id);
  const files = report.attachments.map((file) => file.name).join(", ");
  return (
    <article className="flex flex-col gap-3 rounded-lg border border-line p-4">
      <p className="flex flex-wrap items-center gap-2 text-sm text-text-2">
        <Badge tone="danger">{reasons(report.reason)}</Badge>
        <time dateTime={report.created_at} title={short(report.created_at)}>
          {t("reportedBy", { name: reporter, when: ago(report.created_at) })}
        </time>
      </p>
      <blockquote className="max-h-60 overflow-y-auto rounded-md bg-surface px-3 py-2">
        <Markdown text={report.body} />
        {files && <p className="text-sm text-text-3">{files}</p>}
        <footer className="mt-1 text-sm text-text-3">{t("by", { name: sender })}</footer>
      </blockquote>
      {report.comment && (
        <p dir="auto" className="">
          {report.comment}
        </p>
      )}
      {report.state === "open" ? (
        <Decision report={report} />
      ) : (
        report.note && (
          <p dir="auto" className="text-sm text-text-3">
            {report.note}
          </p>
        )
      )}
    </article>
  );
}

function Decision({ report }: { report: Report }) {
  const t = useTranslations("moderation");
  const api = useApi();
  const queries = useQueryClient();
  const attempt = useAttempt();
  const [note, setNote] = useState("");
  const decide = (state: "dismissed" | "resolved", delete_message = false) =>
    void attempt(async () => {
      const params = { path: { report_id: report.id } };
      await ok(
        api.PATCH("/api/v1/moderation/reports/{report_id}", {
          params,
          body: { state, delete_message, note: note.trim() },
        }),
      );
      await queries.invalidateQueries({ queryKey: [KEY] });
    });
  return (
    <div className="flex flex-col gap-3">
      <Field label={t("note")}>
        <TextArea dir="auto" maxLength={1000} value={note} onChange={(event) => setNote(event.target.value)} />
      </Field>
      <div className="flex flex-wrap gap-2">
        <Button size="sm" onClick={() => decide("dismissed")}>
          {t("dismiss")}
        </Button>
        <Button size="sm" onClick={() => decide("resolved")}>
          {t("resolve")}
        </Button>
        <Button size="sm" variant="danger" onClick={() => decide("resolved", true)}>
          {t("resolveDelete")}
        </Button>
      </div>
    </div>
  );
}

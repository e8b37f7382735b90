"use client";

import { clsx } from "clsx";
import { CircleAlert, Clock } from "lucide-react";
import { useTranslations } from "use-intl";
import { useComposer, useMe } from "@/core/react";
import { type Outgoing, Problem } from "@/core/types";
import { Avatar } from "@/ui/avatar";
import { Button } from "@/ui/button";
import { useMoments } from "../common/moments";
import { useProblemText } from "../common/problem-text";
import { Attachments } from "../files/attachments";
import { Markdown } from "../markdown/markdown";
import { plainText } from "../markdown/parse";
import { MessageNames } from "./message-names";

/** A message on its way, and what became of it. */
export function OutgoingRow(props: { outgoing: Outgoing; rowKey: string; leads: boolean; focusable: boolean }) {
  const t = useTranslations("message");
  const me = useMe();
  const { clock } = useMoments();
  const problemText = useProblemText();
  const { outgoing, leads } = props;
  const composer = useComposer({ conversationId: outgoing.conversation_id, threadRoot: outgoing.thread_root });
  const failed = outgoing.state === "failed";
  const reason = outgoing.problem
    ? problemText(new Problem({ ...outgoing.problem, status: 400, title: "", request_id: "" }))
    : "";
  return (
    <article
      data-row={props.rowKey}
      data-outgoing={outgoing.state}
      tabIndex={props.focusable ? 0 : -1}
      aria-label={`${plainText(outgoing.body)}. ${failed ? t("failed", { reason }) : t(outgoing.state === "sending" ? "sending" : "waiting")}`}
      className={clsx("flex gap-3 px-4 -outline-offset-2 sm:px-5", leads ? "mt-1.5 pt-1 pb-0.5" : "py-0.5")}
    >
      {leads ? (
        <Avatar id={me.id} name={me.display_name} url={me.avatar_url} className="mt-0.5" />
      ) : (
        <span className="flex w-9 shrink-0 justify-end pt-1">
          {!failed && <Clock aria-hidden className="size-3.5 text-text-3" />}
        </span>
      )}
      <div className="flex min-w-0 flex-1 flex-col items-start">
        {leads && (
          <p className="flex items-baseline gap-2">
            <span className="font-semibold">{me.display_name}</span>
            <span className="inline-flex items-center gap-1 text-text-3 text-xs">
              {failed ? clock(outgoing.created_at) : t(outgoing.state === "sending" ? "sending" : "waiting")}
            </span>
          </p>
        )}
        <div className={clsx("min-w-0 max-w-full", !failed && "opacity-75")}>
          <MessageNames message={outgoing}>
            <Markdown text={outgoing.body} />
          </MessageNames>
          {outgoing.attachments.length > 0 && <Attachments attachments={outgoing.attachments} />}
        </div>
        {failed && (
          <div role="alert" className="mt-1 flex flex-wrap items-center gap-2 text-danger text-sm">
            <CircleAlert aria-hidden className="size-4" />
            {t("failed", { reason })}
            <Button size="sm" onClick={() => composer.retry(outgoing.client_id)}>
              {t("retry")}
            </Button>
            <Button size="sm" variant="quiet" onClick={() => composer.discard(outgoing.client_id)}>
              {t("discard")}
            </Button>
          </div>
        )}
      </div>
    </article>
  );
}

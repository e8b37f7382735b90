"use client";

import { type FormEvent, useState } from "react";
import { useTranslations } from "use-intl";
import { useMessageActions } from "@/core/react";
import type { Message } from "@/core/types";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field, RadioGroup, TextArea } from "@/ui/field";
import { useAttempt } from "../common/use-attempt";

const REASONS = ["spam", "abuse", "illegal", "other"] as const;

/** Tells moderators of a message. */
export default function ReportDialog({ message, onClose }: { message: Message; onClose: () => void }) {
  const t = useTranslations("report");
  const { report } = useMessageActions();
  const attempt = useAttempt();
  const [reason, setReason] = useState<(typeof REASONS)[number]>("spam");
  const [comment, setComment] = useState("");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await attempt(() => report(message.id, reason, comment.trim()), t("sent"))) onClose();
  };
  return (
    <Dialog open onOpenChange={onClose} title={t("title")} description={t("text")}>
      <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        <RadioGroup
          label={t("reason")}
          value={reason}
          onChange={setReason}
          options={REASONS.map((value) => ({ value, label: t(value) }))}
        />
        <Field label={t("comment")}>
          <TextArea dir="auto" maxLength={1000} value={comment} onChange={(event) => setComment(event.target.value)} />
        </Field>
        <Button type="submit" variant="danger" className="self-end">
          {t("send")}
        </Button>
      </form>
    </Dialog>
  );
}

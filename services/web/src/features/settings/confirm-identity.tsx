"use client";

import { type FormEvent, type ReactNode, useState } from "react";
import { useTranslations } from "use-intl";
import { Banner } from "@/ui/banner";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { textOf } from "../account/form";
import { CodeField, CurrentPassword } from "../account/secret-fields";
import { useProblemText } from "../common/problem-text";

export interface Identity {
  password: string;
  totp: string | null;
}

/** Asks once more for password and code, before what a stolen session must not do. */
export function ConfirmIdentity(props: {
  title: string;
  action: string;
  danger?: boolean;
  /** Whether a code is asked for as well. */
  code: boolean;
  onConfirm: (identity: Identity) => Promise<unknown>;
  onClose: () => void;
  children?: ReactNode;
}) {
  const t = useTranslations("settings");
  const problemText = useProblemText();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setProblem(null);
    try {
      await props.onConfirm({ password: textOf(form, "password"), totp: textOf(form, "totp").trim() || null });
      props.onClose();
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  return (
    <Dialog open onOpenChange={props.onClose} title={props.title} description={t("confirmIdentity")}>
      <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        {problem !== null && <Banner tone="danger">{problemText(problem)}</Banner>}
        {props.children}
        <CurrentPassword label={t("currentPassword")} />
        {props.code && <CodeField />}
        <Button type="submit" variant={props.danger ? "danger" : "primary"} busy={busy} className="self-end">
          {props.action}
        </Button>
      </form>
    </Dialog>
  );
}

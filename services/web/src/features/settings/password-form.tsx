"use client";

import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useRef } from "react";
import { useTranslations } from "use-intl";
import { ok } from "@/api/client";
import { useApi } from "@/core/react";
import { Banner } from "@/ui/banner";
import { Button } from "@/ui/button";
import { toast } from "@/ui/toast";
import { fieldError, textOf } from "../account/form";
import { CodeField, CurrentPassword, NewPassword } from "../account/secret-fields";
import { useProblemText } from "../common/problem-text";

export function PasswordForm({ code }: { code: boolean }) {
  const t = useTranslations("settings");
  const account = useTranslations("account");
  const problemText = useProblemText();
  const api = useApi();
  const form = useRef<HTMLFormElement>(null);
  const change = useMutation({
    mutationFn: (body: { password: string; totp: string | null; new_password: string }) =>
      ok(api.POST("/api/v1/auth/password", { body })),
    onSuccess: () => {
      form.current?.reset();
      toast(t("passwordDone"));
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    change.mutate({
      password: textOf(data, "password"),
      totp: textOf(data, "totp").trim() || null,
      new_password: textOf(data, "new_password"),
    });
  };
  const refused = fieldError(change.error, "new_password");
  return (
    <form ref={form} onSubmit={submit} className="flex max-w-md flex-col gap-4">
      {change.error && !refused && <Banner tone="danger">{problemText(change.error)}</Banner>}
      <CurrentPassword label={t("currentPassword")} />
      <NewPassword name="new_password" label={account("newPassword")} error={refused} />
      {code && <CodeField />}
      <Button type="submit" busy={change.isPending} className="self-start">
        {t("passwordAction")}
      </Button>
    </form>
  );
}

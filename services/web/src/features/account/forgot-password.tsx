"use client";

import { useMutation } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { useTranslations } from "use-intl";
import { ok } from "@/api/client";
import { useApi } from "@/core/react";
import { Banner } from "@/ui/banner";
import { Button } from "@/ui/button";
import { Field, Input } from "@/ui/field";
import { useProblemText } from "../common/problem-text";
import { AccountPage } from "./account-page";
import { textOf } from "./form";
import { TextLink } from "./text-link";

/** Asks for the mail with the link. The answer is the same whether or not there is such an account. */
export function ForgotPassword() {
  const t = useTranslations("account");
  const problemText = useProblemText();
  const api = useApi();
  const ask = useMutation({
    mutationFn: (email: string) => ok(api.POST("/api/v1/auth/password/forgot", { body: { email } })),
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    ask.mutate(textOf(new FormData(event.currentTarget), "email").trim());
  };
  const back = <TextLink href="/sign-in">{t("backToSignIn")}</TextLink>;

  if (ask.isSuccess) {
    return (
      <AccountPage title={t("forgot.sentTitle")} below={back}>
        <p role="status">{t("forgot.sentText", { email: ask.variables })}</p>
      </AccountPage>
    );
  }
  return (
    <AccountPage title={t("forgot.title")} text={t("forgot.text")} below={back}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        {ask.error && <Banner tone="danger">{problemText(ask.error)}</Banner>}
        <Field label={t("email")}>
          <Input name="email" type="email" required autoComplete="email" dir="ltr" />
        </Field>
        <Button type="submit" variant="primary" busy={ask.isPending}>
          {t("forgot.action")}
        </Button>
      </form>
    </AccountPage>
  );
}

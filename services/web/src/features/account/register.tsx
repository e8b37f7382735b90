"use client";

import { useMutation } from "@tanstack/react-query";
import type { FormEvent, ReactNode } from "react";
import { useTranslations } from "use-intl";
import { useSessionActions } from "@/core/react";
import { Problem } from "@/core/types";
import { Banner } from "@/ui/banner";
import { Button } from "@/ui/button";
import { Field, Input } from "@/ui/field";
import { useProblemText } from "../common/problem-text";
import { AccountPage } from "./account-page";
import { fieldError, textOf } from "./form";
import { NewPassword } from "./secret-fields";
import { TextLink } from "./text-link";
import { useLeaveWhenSignedIn } from "./use-leave-when-signed-in";

/** Refusals that belong to one field, by their code. */
const FIELD_OF: Partial<Record<string, string>> = { username_taken: "username", email_taken: "email" };

export function Register() {
  const t = useTranslations("account");
  const problemText = useProblemText();
  const { register } = useSessionActions();
  const attempt = useMutation({ mutationFn: register });
  useLeaveWhenSignedIn();

  const { error } = attempt;
  const taken = error instanceof Problem ? FIELD_OF[error.code] : undefined;
  const errorOf = (name: string) => (taken === name ? problemText(error) : fieldError(error, name));
  const shown = ["username", "email", "password", "display_name"].some(errorOf);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const name = textOf(form, "display_name").trim();
    attempt.mutate({
      username: textOf(form, "username").trim(),
      email: textOf(form, "email").trim(),
      password: textOf(form, "password"),
      ...(name ? { display_name: name } : {}),
    });
  };

  return (
    <AccountPage
      title={t("register.title")}
      below={t.rich("register.haveAccount", {
        link: (words: ReactNode) => <TextLink href="/sign-in">{words}</TextLink>,
      })}
    >
      <form onSubmit={submit} className="flex flex-col gap-4">
        {error && !shown && <Banner tone="danger">{problemText(error)}</Banner>}
        <Field label={t("displayName")} hint={t("displayNameHint")} error={errorOf("display_name")}>
          <Input name="display_name" autoComplete="name" maxLength={64} dir="auto" />
        </Field>
        <Field label={t("username")} hint={t("usernameHint")} error={errorOf("username")}>
          <Input
            name="username"
            required
            minLength={3}
            maxLength={32}
            pattern="[a-zA-Z0-9._\-]+"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            dir="ltr"
          />
        </Field>
        <Field label={t("email")} error={errorOf("email")}>
          <Input name="email" type="email" required autoComplete="email" dir="ltr" />
        </Field>
        <NewPassword name="password" label={t("password")} error={errorOf("password")} />
        <Button type="submit" variant="primary" busy={attempt.isPending || attempt.isSuccess}>
          {t("register.action")}
        </Button>
      </form>
    </AccountPage>
  );
}

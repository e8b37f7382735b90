"use client";

import { useMutation } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { useTranslations } from "use-intl";
import { useSession, useSessionActions } from "@/core/react";
import { type Credentials, Problem } from "@/core/types";
import { Banner } from "@/ui/banner";
import { Button } from "@/ui/button";
import { Field, Input } from "@/ui/field";
import { useProblemText } from "../common/problem-text";
import { AccountPage } from "./account-page";
import { textOf } from "./form";
import { CurrentPassword } from "./secret-fields";
import { TextLink } from "./text-link";
import { useLeaveWhenSignedIn } from "./use-leave-when-signed-in";

const codeOf = (error: unknown) => (error === null ? null : Problem.from(error).code);

/** Name and password first; a code where the account asks for one. What was typed is kept between the two. */
export function SignIn() {
  const t = useTranslations("account");
  const session = useSession();
  const { signIn } = useSessionActions();
  const [asked, setAsked] = useState<Credentials | null>(null);
  useLeaveWhenSignedIn();
  const attempt = useMutation({
    mutationFn: signIn,
    onError: (error, credentials) => codeOf(error) === "totp_required" && setAsked(credentials),
  });

  if (asked) {
    const begin = () => {
      attempt.reset();
      setAsked(null);
    };
    return <CodeForm attempt={(totp) => attempt.mutate({ ...asked, totp })} {...stateOf(attempt)} onBack={begin} />;
  }
  return (
    <AccountPage
      title={t("signIn.title")}
      below={t.rich("signIn.noAccount", { link: (words: ReactNode) => <TextLink href="/register">{words}</TextLink> })}
    >
      <PasswordForm attempt={attempt.mutate} {...stateOf(attempt)}>
        {session.status === "signed-out" && session.ended && <Banner tone="info">{t("signIn.ended")}</Banner>}
      </PasswordForm>
    </AccountPage>
  );
}

function stateOf({ isPending, isSuccess, error }: { isPending: boolean; isSuccess: boolean; error: unknown }) {
  return { busy: isPending || isSuccess, error };
}

function PasswordForm(props: {
  attempt: (credentials: Credentials) => void;
  busy: boolean;
  error: unknown;
  children: ReactNode;
}) {
  const t = useTranslations("account");
  const problemText = useProblemText();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    props.attempt({ login: textOf(form, "login").trim(), password: textOf(form, "password") });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      {props.children}
      {props.error !== null && <Banner tone="danger">{problemText(props.error)}</Banner>}
      <Field label={t("login")}>
        <Input name="login" required autoComplete="username" autoCapitalize="none" spellCheck={false} dir="auto" />
      </Field>
      <CurrentPassword label={t("password")} />
      <Button type="submit" variant="primary" busy={props.busy}>
        {t("signIn.action")}
      </Button>
      <p className="text-center text-sm">
        <TextLink href="/forgot-password">{t("signIn.forgot")}</TextLink>
      </p>
    </form>
  );
}

function CodeForm(props: { attempt: (code: string) => void; busy: boolean; error: unknown; onBack: () => void }) {
  const t = useTranslations("account");
  const problemText = useProblemText();
  const wrong = codeOf(props.error) !== "totp_required" && props.error !== null;
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    props.attempt(textOf(new FormData(event.currentTarget), "code").trim());
  };
  return (
    <AccountPage title={t("codeTitle")}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <Field label={t("code")} hint={t("codeHint")} error={wrong ? problemText(props.error) : undefined}>
          <Input
            name="code"
            required
            autoFocus
            autoComplete="one-time-code"
            autoCapitalize="none"
            spellCheck={false}
            dir="ltr"
            className="font-mono text-lg"
          />
        </Field>
        <Button type="submit" variant="primary" busy={props.busy}>
          {t("codeAction")}
        </Button>
        <Button variant="quiet" onClick={props.onBack}>
          {t("otherAccount")}
        </Button>
      </form>
    </AccountPage>
  );
}

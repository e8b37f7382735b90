"use client";

import { useMutation } from "@tanstack/react-query";
import Link from "next/link";
import type { FormEvent } from "react";
import { useTranslations } from "use-intl";
import { useSessionActions } from "@/core/react";
import { Banner } from "@/ui/banner";
import { Button, buttonClass } from "@/ui/button";
import { useProblemText } from "../common/problem-text";
import { AccountPage } from "./account-page";
import { fieldError, textOf } from "./form";
import { NewPassword } from "./secret-fields";

/** Where the mailed link leads: a new password for its token. */
export function ResetPassword({ token }: { token: string | null }) {
  const t = useTranslations("account");
  const problemText = useProblemText();
  const { resetPassword } = useSessionActions();
  const reset = useMutation({
    mutationFn: ({ link, password }: { link: string; password: string }) => resetPassword(link, password),
  });

  if (!token) {
    return (
      <AccountPage title={t("reset.title")} text={t("reset.noToken")}>
        <Link href="/forgot-password" className={buttonClass("primary")}>
          {t("reset.askAgain")}
        </Link>
      </AccountPage>
    );
  }
  if (reset.isSuccess) {
    return (
      <AccountPage title={t("reset.doneTitle")} text={t("reset.doneText")}>
        <Link href="/sign-in" className={buttonClass("primary")}>
          {t("signIn.action")}
        </Link>
      </AccountPage>
    );
  }
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    reset.mutate({ link: token, password: textOf(new FormData(event.currentTarget), "password") });
  };
  const refused = fieldError(reset.error, "new_password");
  return (
    <AccountPage title={t("reset.title")} text={t("reset.text")}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        {reset.error && !refused && (
          <Banner
            tone="danger"
            action={
              <Link href="/forgot-password" className="font-medium underline">
                {t("reset.askAgain")}
              </Link>
            }
          >
            {problemText(reset.error)}
          </Banner>
        )}
        <NewPassword name="password" label={t("newPassword")} error={refused} />
        <Button type="submit" variant="primary" busy={reset.isPending}>
          {t("reset.action")}
        </Button>
      </form>
    </AccountPage>
  );
}

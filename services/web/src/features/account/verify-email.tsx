"use client";

import { useMutation } from "@tanstack/react-query";
import Link from "next/link";
import { useTranslations } from "use-intl";
import { ok } from "@/api/client";
import { useApi, useSession, useSessionActions } from "@/core/react";
import { Banner } from "@/ui/banner";
import { Button, buttonClass } from "@/ui/button";
import { toast } from "@/ui/toast";
import { useProblemText } from "../common/problem-text";
import { AccountPage } from "./account-page";

/** Where the mailed link leads. A click confirms, not the visit: programs that look into mails follow links. */
export function VerifyEmail({ token }: { token: string | null }) {
  const t = useTranslations("account");
  const problemText = useProblemText();
  const api = useApi();
  const session = useSession();
  const { reload } = useSessionActions();
  const verify = useMutation({
    mutationFn: async (body: { token: string }) => {
      await ok(api.POST("/api/v1/auth/email/verify", { body }));
      if (session.status === "signed-in") await reload();
    },
  });
  if (verify.isSuccess) {
    return (
      <AccountPage title={t("verify.doneTitle")} text={t("verify.doneText")}>
        <Link href="/" className={buttonClass("primary")}>
          {t("verify.open")}
        </Link>
      </AccountPage>
    );
  }
  if (!token)
    return (
      <AccountPage title={t("verify.title")} text={t("reset.noToken")}>
        {null}
      </AccountPage>
    );
  return (
    <AccountPage title={t("verify.title")} text={t("verify.text")}>
      <div className="flex flex-col gap-4">
        {verify.error && <Banner tone="danger">{problemText(verify.error)}</Banner>}
        <Button variant="primary" busy={verify.isPending} onClick={() => verify.mutate({ token })}>
          {t("verify.action")}
        </Button>
      </div>
    </AccountPage>
  );
}

/** What stands in place of the app until the address is confirmed, where the installation requires that. */
export function AwaitingVerification({ email }: { email: string }) {
  const t = useTranslations("account");
  const problemText = useProblemText();
  const api = useApi();
  const { reload, signOut } = useSessionActions();
  const resend = useMutation({
    mutationFn: () => ok(api.POST("/api/v1/auth/email/resend")),
    onSuccess: () => toast(t("verify.resent")),
  });
  const check = useMutation({ mutationFn: reload });
  const error = resend.error ?? check.error;
  return (
    <AccountPage title={t("verify.waitTitle")} text={t("verify.waitText", { email })}>
      <div className="flex flex-col gap-3">
        {error && <Banner tone="danger">{problemText(error)}</Banner>}
        <Button variant="primary" busy={check.isPending} onClick={() => check.mutate()}>
          {t("verify.check")}
        </Button>
        <Button busy={resend.isPending} onClick={() => resend.mutate()}>
          {t("verify.resend")}
        </Button>
        <Button variant="quiet" onClick={() => void signOut()}>
          {t("signOut")}
        </Button>
      </div>
    </AccountPage>
  );
}

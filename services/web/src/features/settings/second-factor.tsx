"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useMemo, useState } from "react";
import { encode } from "uqr";
import { useTranslations } from "use-intl";
import { ok } from "@/api/client";
import { useApi } from "@/core/react";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field, Input } from "@/ui/field";
import { textOf } from "../account/form";
import { useProblemText } from "../common/problem-text";
import { ConfirmIdentity, type Identity } from "./confirm-identity";
import { RecoveryCodes } from "./recovery-codes";
import { SECOND_FACTOR } from "./use-second-factor";

type Step =
  | { kind: "begin" | "disable" | "new-codes" }
  | { kind: "scan"; secret: string; uri: string }
  | { kind: "codes"; codes: readonly string[] };

/** Turns the second factor on and off, step by step. */
export function SecondFactor({ active, left }: { active: boolean; left: number }) {
  const t = useTranslations("settings");
  const api = useApi();
  const queries = useQueryClient();
  const [step, setStep] = useState<Step | null>(null);
  const close = () => setStep(null);
  const changed = () => queries.invalidateQueries({ queryKey: SECOND_FACTOR });

  const begin = async (body: Identity) => {
    const { secret, uri } = await ok(api.POST("/api/v1/auth/totp", { body }));
    // The dialog that asked closes itself first.
    queueMicrotask(() => setStep({ kind: "scan", secret, uri }));
  };
  const disable = async (body: Identity) => {
    await ok(api.POST("/api/v1/auth/totp/disable", { body }));
    await changed();
  };
  const renew = async (body: Identity) => {
    const { recovery_codes } = await ok(api.POST("/api/v1/auth/totp/recovery-codes", { body }));
    await changed();
    queueMicrotask(() => setStep({ kind: "codes", codes: recovery_codes }));
  };
  return (
    <div className="flex flex-wrap items-center gap-2">
      <p className="me-2 font-medium">{active ? t("totpOn", { left }) : t("totpOff")}</p>
      {active ? (
        <>
          <Button size="sm" onClick={() => setStep({ kind: "new-codes" })}>
            {t("totpNewCodes")}
          </Button>
          <Button size="sm" onClick={() => setStep({ kind: "disable" })}>
            {t("totpDisable")}
          </Button>
        </>
      ) : (
        <Button size="sm" variant="primary" onClick={() => setStep({ kind: "begin" })}>
          {t("totpBegin")}
        </Button>
      )}
      {step?.kind === "begin" && (
        <ConfirmIdentity
          title={t("totpTitle")}
          action={t("totpBegin")}
          code={false}
          onConfirm={begin}
          onClose={close}
        />
      )}
      {step?.kind === "disable" && (
        <ConfirmIdentity
          title={t("totpTitle")}
          action={t("totpDisable")}
          danger
          code
          onConfirm={disable}
          onClose={close}
        />
      )}
      {step?.kind === "new-codes" && (
        <ConfirmIdentity title={t("totpNewCodes")} action={t("totpNewCodes")} code onConfirm={renew} onClose={close} />
      )}
      {step?.kind === "scan" && (
        <Scan
          secret={step.secret}
          uri={step.uri}
          onClose={close}
          onDone={(codes) => {
            void changed();
            setStep({ kind: "codes", codes });
          }}
        />
      )}
      {step?.kind === "codes" && <RecoveryCodes codes={step.codes} onClose={close} />}
    </div>
  );
}

function Scan(props: { secret: string; uri: string; onClose: () => void; onDone: (codes: readonly string[]) => void }) {
  const t = useTranslations("settings");
  const account = useTranslations("account");
  const problemText = useProblemText();
  const api = useApi();
  const confirm = useMutation({
    mutationFn: (code: string) => ok(api.POST("/api/v1/auth/totp/confirm", { body: { code } })),
    onSuccess: ({ recovery_codes }) => props.onDone(recovery_codes),
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    confirm.mutate(textOf(new FormData(event.currentTarget), "code").replaceAll(" ", ""));
  };
  return (
    <Dialog open onOpenChange={props.onClose} title={t("totpTitle")} description={t("totpScan")}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <QrCode text={props.uri} label={t("totpScan")} />
        <Field label={t("totpKey")}>
          <Input
            readOnly
            dir="ltr"
            value={props.secret}
            className="font-mono"
            onFocus={(event) => event.target.select()}
          />
        </Field>
        <a href={props.uri} className="w-fit text-accent text-sm underline">
          {t("totpOpen")}
        </a>
        <Field label={account("code")} error={confirm.error ? problemText(confirm.error) : undefined}>
          <Input
            name="code"
            required
            inputMode="numeric"
            autoComplete="one-time-code"
            dir="ltr"
            className="font-mono"
          />
        </Field>
        <Button type="submit" variant="primary" busy={confirm.isPending} className="self-end">
          {t("totpConfirm")}
        </Button>
      </form>
    </Dialog>
  );
}

/** Black on white whatever the theme: that is what cameras read. */
function QrCode({ text, label }: { text: string; label: string }) {
  const { size, path } = useMemo(() => {
    const code = encode(text, { border: 2 });
    const cells = code.data.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : [])));
    return { size: code.size, path: cells.join("") };
  }, [text]);
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${size} ${size}`}
      shapeRendering="crispEdges"
      className="size-48 self-center rounded-md border border-line"
    >
      <rect width={size} height={size} fill="#ffffff" />
      <path d={path} fill="#000000" />
    </svg>
  );
}

/** The fields of secrets, the same wherever they are asked for. They stand in a form, under their names. */

import { useTranslations } from "use-intl";
import { Field, Input, PasswordInput } from "@/ui/field";

/** The password that somebody has, as `password`. */
export function CurrentPassword({ label }: { label: string }) {
  return (
    <Field label={label}>
      <PasswordInput name="password" required autoComplete="current-password" {...useShowing()} />
    </Field>
  );
}

/** One to be set, within the bounds of the user service. */
export function NewPassword({ name, label, error }: { name: string; label: string; error: string | undefined }) {
  const t = useTranslations("account");
  return (
    <Field label={label} hint={t("passwordHint")} error={error}>
      <PasswordInput
        name={name}
        required
        minLength={10}
        maxLength={128}
        autoComplete="new-password"
        {...useShowing()}
      />
    </Field>
  );
}

/** A code of the second factor, as `totp`, beside other fields. */
export function CodeField() {
  const t = useTranslations("account");
  return (
    <Field label={t("code")} hint={t("codeHint")}>
      <Input name="totp" required autoComplete="one-time-code" dir="ltr" className="font-mono" />
    </Field>
  );
}

function useShowing() {
  const t = useTranslations("account");
  return { showLabel: t("showPassword"), hideLabel: t("hidePassword") };
}

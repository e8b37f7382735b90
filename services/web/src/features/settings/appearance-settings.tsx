"use client";

import { useState } from "react";
import { useLocale, useTimeZone, useTranslations } from "use-intl";
import { ok } from "@/api/client";
import { useApi } from "@/core/react";
import { LOCALES, type Locale } from "@/i18n/locales";
import { Field, RadioGroup, Select } from "@/ui/field";
import { Switch } from "@/ui/switch";
import { chooseContrast, chooseTheme, chosenContrast, chosenTheme, type Theme } from "@/ui/theme";
import { useChooseLocale } from "../common/language-menu";

/** How the client looks and speaks on this device. */
export function AppearanceSettings() {
  const t = useTranslations("settings");
  const common = useTranslations("common");
  const locale = useLocale();
  const timeZone = useTimeZone() ?? "UTC";
  const chooseLocale = useChooseLocale();
  const api = useApi();
  const [theme, setTheme] = useState<Theme>(chosenTheme);
  const [contrast, setContrast] = useState(chosenContrast);
  const speak = (next: Locale) => {
    chooseLocale(next);
    // Mails follow; that they cannot be told right now is no reason not to change what is seen.
    void ok(api.PATCH("/api/v1/users/me", { body: { locale: next, time_zone: timeZone } })).catch(() => undefined);
  };
  return (
    <div className="flex flex-col gap-6">
      <RadioGroup
        label={t("theme")}
        value={theme}
        onChange={(next) => {
          chooseTheme(next);
          setTheme(next);
        }}
        options={[
          { value: "system", label: t("themeSystem") },
          { value: "light", label: t("themeLight") },
          { value: "dark", label: t("themeDark") },
        ]}
      />
      <Switch
        label={t("contrast")}
        hint={t("contrastHint")}
        checked={contrast}
        onChange={(next) => {
          chooseContrast(next);
          setContrast(next);
        }}
      />
      <Field label={common("language")} hint={t("languageHint")}>
        <Select value={locale} onChange={(event) => speak(event.target.value as Locale)}>
          {(Object.keys(LOCALES) as Locale[]).map((value) => (
            <option key={value} value={value}>
              {LOCALES[value]}
            </option>
          ))}
        </Select>
      </Field>
      <p className="text-sm text-text-3">{t("zone", { zone: timeZone })}</p>
    </div>
  );
}

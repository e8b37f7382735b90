"use client";

import { Languages } from "lucide-react";
import { useRouter } from "next/navigation";
import { useTransition } from "react";
import { useLocale, useTranslations } from "use-intl";
import { chooseLocale } from "@/i18n/choice";
import { LOCALES, type Locale } from "@/i18n/locales";
import { buttonClass } from "@/ui/button";
import { Menu, MenuChoice } from "@/ui/menu";

/** Chooses the language; the page's data come anew with its messages. */
export function useChooseLocale(): (locale: Locale) => void {
  const router = useRouter();
  const [, begin] = useTransition();
  return (locale) => {
    chooseLocale(locale);
    begin(() => router.refresh());
  };
}

export function LanguageMenu() {
  const t = useTranslations("common");
  const locale = useLocale();
  const choose = useChooseLocale();
  return (
    <Menu
      trigger={
        <button
          type="button"
          className={buttonClass("quiet", "sm")}
          aria-label={`${t("language")}: ${LOCALES[locale]}`}
        >
          <Languages aria-hidden className="size-4" />
          {LOCALES[locale]}
        </button>
      }
    >
      <MenuChoice
        label={t("language")}
        value={locale}
        onChange={choose}
        options={(Object.keys(LOCALES) as Locale[]).map((value) => ({ value, label: LOCALES[value] }))}
      />
    </Menu>
  );
}

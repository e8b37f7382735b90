"use client";

import { type ReactNode, useEffect } from "react";
import { useTranslations } from "use-intl";
import { Mark } from "../common/brand";
import { LanguageMenu } from "../common/language-menu";

/** The frame of the pages before one is signed in: one thing to do in the middle of the page. */
export function AccountPage(props: { title: string; text?: string; children: ReactNode; below?: ReactNode }) {
  const t = useTranslations("account");
  const { title } = props;
  useEffect(() => {
    document.title = `${title} · ChatCluster`;
  }, [title]);
  return (
    <main className="flex min-h-dvh flex-col bg-surface">
      <div className="flex h-14 shrink-0 items-center justify-end px-4">
        <LanguageMenu />
      </div>
      <div className="flex flex-1 flex-col items-center px-4 pt-[4vh] pb-16">
        <div className="mb-6 flex items-center gap-3">
          <Mark className="size-10" />
          <div>
            <p className="font-semibold text-lg leading-6">ChatCluster</p>
            <p className="text-sm text-text-3">{t("tagline")}</p>
          </div>
        </div>
        <div className="w-full max-w-100 rounded-lg border border-line bg-raised p-6 sm:p-8">
          <h1 className="font-semibold text-xl">{props.title}</h1>
          {props.text && <p className="mt-1.5 text-text-2">{props.text}</p>}
          <div className="mt-5">{props.children}</div>
        </div>
        {props.below && <div className="mt-5 text-center text-text-2">{props.below}</div>}
      </div>
    </main>
  );
}

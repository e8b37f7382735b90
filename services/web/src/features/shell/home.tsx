"use client";

import { Hash, MessagesSquare, UserPlus } from "lucide-react";
import { useTranslations } from "use-intl";
import { useMe } from "@/core/react";
import { buttonClass } from "@/ui/button";
import { EmptyState } from "@/ui/empty-state";
import { AppLink } from "../navigation/navigation";

/** What stands beside the list before a conversation is chosen. */
export function Home() {
  const t = useTranslations("shell");
  const me = useMe();
  return (
    <div className="flex flex-1 flex-col justify-center">
      <EmptyState as="h1" icon={MessagesSquare} title={t("homeTitle", { name: me.display_name })} text={t("homeText")}>
        <AppLink href="/people" className={buttonClass("primary")}>
          <UserPlus aria-hidden className="size-4" />
          {t("newDirect")}
        </AppLink>
        <AppLink href="/channels" className={buttonClass("secondary")}>
          <Hash aria-hidden className="size-4" />
          {t("browseChannels")}
        </AppLink>
      </EmptyState>
    </div>
  );
}

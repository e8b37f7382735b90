"use client";

import { X } from "lucide-react";
import { useTranslations } from "use-intl";
import { IconButton } from "@/ui/icon-button";

/** The head of what is opened beside a conversation. */
export function PaneHeader({ title, onClose }: { title: string; onClose: () => void }) {
  const t = useTranslations("common");
  return (
    <header data-region tabIndex={-1} className="flex h-14 shrink-0 items-center gap-2 border-line border-b px-4">
      <h2 className="min-w-0 flex-1 truncate font-semibold">{title}</h2>
      <IconButton icon={X} label={t("close")} onClick={onClose} />
    </header>
  );
}

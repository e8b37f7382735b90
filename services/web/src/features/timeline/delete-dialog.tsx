"use client";

import { useState } from "react";
import { useTranslations } from "use-intl";
import { useMessageActions } from "@/core/react";
import type { Message } from "@/core/types";
import { Confirm } from "@/ui/dialog";
import { useAttempt } from "../common/use-attempt";

export default function DeleteDialog({ message, onClose }: { message: Message; onClose: () => void }) {
  const t = useTranslations("message");
  const { remove } = useMessageActions();
  const attempt = useAttempt();
  const [busy, setBusy] = useState(false);
  const confirm = async () => {
    setBusy(true);
    await attempt(() => remove(message.id));
    onClose();
  };
  return (
    <Confirm
      open
      onOpenChange={onClose}
      title={t("deleteTitle")}
      text={t("deleteText")}
      action={t("delete")}
      busy={busy}
      onConfirm={() => void confirm()}
    />
  );
}

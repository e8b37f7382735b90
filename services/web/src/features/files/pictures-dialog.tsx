"use client";

import { ChevronLeft, ChevronRight, Download, X } from "lucide-react";
import { Dialog } from "radix-ui";
import { useState } from "react";
import { useTranslations } from "use-intl";
import { useDownload, useFileUrl } from "@/core/react";
import type { Attachment } from "@/core/types";
import { IconButton } from "@/ui/icon-button";
import { Spinner } from "@/ui/spinner";
import { useProblemText } from "../common/problem-text";
import { useAttempt } from "../common/use-attempt";

/** A picture as large as the screen allows; arrow keys go to the others of its message. */
export default function PicturesDialog(props: {
  attachments: readonly Attachment[];
  start: string;
  onClose: () => void;
}) {
  const t = useTranslations("file");
  const common = useTranslations("common");
  const download = useDownload();
  const attempt = useAttempt();
  const { attachments } = props;
  const [index, setIndex] = useState(
    Math.max(
      0,
      attachments.findIndex((one) => one.id === props.start),
    ),
  );
  const file = attachments[index];
  if (!file) return null;
  const go = (step: number) => setIndex((index + step + attachments.length) % attachments.length);
  const forwardKey = document.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
  return (
    <Dialog.Root open onOpenChange={props.onClose}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 bg-backdrop" />
        <Dialog.Content
          aria-describedby={undefined}
          onKeyDown={(event) => {
            if (event.key.startsWith("Arrow") && attachments.length > 1) go(event.key === forwardKey ? 1 : -1);
          }}
          className="fixed inset-2 z-40 flex animate-appear flex-col overflow-hidden rounded-lg border border-line bg-raised shadow-lift sm:inset-6"
        >
          <header className="flex items-center gap-1 px-3 py-2">
            <Dialog.Title dir="auto" className="min-w-0 flex-1 truncate ps-2 font-medium">
              {file.name}
            </Dialog.Title>
            {attachments.length > 1 && (
              <>
                <IconButton icon={ChevronLeft} directional label={t("previous")} onClick={() => go(-1)} />
                <IconButton icon={ChevronRight} directional label={t("next")} onClick={() => go(1)} />
              </>
            )}
            <IconButton icon={Download} label={t("download")} onClick={() => void attempt(() => download(file))} />
            <Dialog.Close asChild>
              <IconButton icon={X} label={common("close")} />
            </Dialog.Close>
          </header>
          <div className="flex min-h-0 flex-1 items-center justify-center p-3 pt-0">
            <Picture key={file.id} file={file} />
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Picture({ file }: { file: Attachment }) {
  const problemText = useProblemText();
  const { url, problem } = useFileUrl(file.id, "content");
  if (problem) return <p role="alert">{problemText(problem)}</p>;
  if (!url) return <Spinner className="size-8 text-text-3" />;
  return <img src={url} alt={file.name} className="max-h-full max-w-full rounded-md object-contain" />;
}

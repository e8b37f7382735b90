"use client";

import { Download, FileText } from "lucide-react";
import { memo } from "react";
import { useTranslations } from "use-intl";
import { useDownload, useFileUrl } from "@/core/react";
import type { Attachment } from "@/core/types";
import { Skeleton } from "@/ui/skeleton";
import { openOverlay } from "../common/overlay";
import { useProblemText } from "../common/problem-text";
import { useAttempt } from "../common/use-attempt";
import { useFileSize } from "./use-file-size";

const MAX_WIDTH = 360;
const MAX_HEIGHT = 280;
const MIN_SIDE = 48;

/** The size at which a picture is shown, in CSS pixels: known before it is loaded, so that nothing jumps. */
export function shownSize(width: number, height: number): { width: number; height: number } {
  const scale = Math.min(1, MAX_WIDTH / width, MAX_HEIGHT / height);
  return {
    width: Math.max(MIN_SIDE, Math.round(width * scale)),
    height: Math.max(MIN_SIDE, Math.round(height * scale)),
  };
}

export function isPicture(file: Attachment): file is Attachment & { width: number; height: number } {
  return Boolean(file.width && file.height && file.content_type.startsWith("image/"));
}

/** What a message carries: pictures as pictures, the rest to download. */
export const Attachments = memo(function Attachments({ attachments }: { attachments: readonly Attachment[] }) {
  const pictures = attachments.filter(isPicture);
  const others = attachments.filter((file) => !isPicture(file));
  return (
    <div className="flex max-w-full flex-col gap-1.5 py-1">
      {pictures.length > 0 && (
        <ul className="flex flex-wrap gap-1.5">
          {pictures.map((file) => (
            <li key={file.id} className="max-w-full">
              <Picture file={file} all={pictures} />
            </li>
          ))}
        </ul>
      )}
      {others.length > 0 && (
        <ul className="flex flex-col gap-1.5">
          {others.map((file) => (
            <li key={file.id}>
              <OtherFile file={file} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
});

function Picture(props: { file: Attachment & { width: number; height: number }; all: readonly Attachment[] }) {
  const t = useTranslations("file");
  const problemText = useProblemText();
  const { file } = props;
  const size = shownSize(file.width, file.height);
  const thumbnail = file.thumbnails.some((one) => one.size === "medium") ? "medium" : "content";
  const { url, problem } = useFileUrl(file.id, thumbnail);
  if (problem) {
    return (
      <p style={size} className="flex items-center rounded-md border border-line p-2 text-sm text-text-3">
        {problem.code === "not_scanned" ? t("scanning") : problem.status === 404 ? t("gone") : problemText(problem)}
      </p>
    );
  }
  return (
    <button
      type="button"
      aria-label={t("open", { name: file.name })}
      onClick={() => openOverlay({ kind: "pictures", attachments: props.all, start: file.id })}
      style={{ width: size.width, aspectRatio: `${size.width} / ${size.height}` }}
      className="block max-w-full overflow-hidden rounded-md border border-line bg-hover"
    >
      {url ? <img src={url} alt={file.name} className="size-full object-cover" /> : <Skeleton className="size-full" />}
    </button>
  );
}

function OtherFile({ file }: { file: Attachment }) {
  const t = useTranslations("file");
  const sizeOf = useFileSize();
  const download = useDownload();
  const attempt = useAttempt();
  return (
    <button
      type="button"
      onClick={() => void attempt(() => download(file))}
      className="flex w-80 max-w-full items-center gap-3 rounded-md border border-line bg-canvas px-3 py-2 text-start hover:bg-hover"
    >
      <FileText aria-hidden className="size-6 shrink-0 text-accent" />
      <span className="min-w-0 flex-1">
        <span dir="auto" className="block truncate font-medium">
          {file.name}
        </span>
        <span className="block text-text-3 text-xs">{sizeOf(file.size)}</span>
        <span className="sr-only">{t("download")}</span>
      </span>
      <Download aria-hidden className="size-4 shrink-0 text-text-3" />
    </button>
  );
}

"use client";

import { clsx } from "clsx";
import { CircleAlert, FileText, RotateCw, X } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslations } from "use-intl";
import type { Upload } from "@/core/types";
import { useProblemText } from "../common/problem-text";
import { useFileSize } from "../files/use-file-size";
import type { PlaceFiles } from "./use-place-files";

/** The files that the next message will carry, and how far each has come. */
export function UploadTray({ files }: { files: PlaceFiles }) {
  const t = useTranslations("composer");
  if (files.uploads.length === 0) return null;
  return (
    <ul aria-label={t("files")} className="flex flex-wrap gap-2 border-line border-b p-2.5">
      {files.uploads.map((upload) => (
        <li key={upload.id}>
          <UploadCard upload={upload} files={files} />
        </li>
      ))}
    </ul>
  );
}

function UploadCard({ upload, files }: { upload: Upload; files: PlaceFiles }) {
  const t = useTranslations("composer");
  const sizeOf = useFileSize();
  const problemText = useProblemText();
  const { name, state } = upload;
  const percent = upload.size === 0 ? 1 : upload.sent / upload.size;
  const failed = state === "failed";
  return (
    <div
      className={clsx(
        "relative flex h-14 w-60 max-w-full items-center gap-2.5 overflow-hidden rounded-md border bg-surface ps-2 pe-1",
        failed ? "border-danger" : "border-line",
      )}
    >
      <Preview upload={upload} />
      <div className="min-w-0 flex-1">
        <p dir="auto" className="truncate font-medium text-sm">
          {name}
        </p>
        {failed ? (
          <p
            role="alert"
            className="flex items-center gap-1 truncate text-danger text-xs"
            title={problemText(upload.problem)}
          >
            <CircleAlert aria-hidden className="size-3.5 shrink-0" />
            <span className="truncate">{problemText(upload.problem)}</span>
          </p>
        ) : (
          <p className="text-text-3 text-xs">{sizeOf(upload.size)}</p>
        )}
      </div>
      {failed && <CardButton label={t("retryFile", { name })} icon={RotateCw} onClick={() => files.retry(upload.id)} />}
      <CardButton
        label={t(state === "uploading" ? "cancelFile" : "removeFile", { name })}
        icon={X}
        onClick={() => files.remove(upload.id)}
      />
      {!failed && state !== "done" && (
        <div
          role="progressbar"
          aria-label={t("uploading", { name, percent })}
          aria-valuenow={Math.round(percent * 100)}
          className="absolute inset-x-0 bottom-0 h-1 bg-pressed"
        >
          <div
            className="h-full origin-left bg-accent-fill transition-transform rtl:origin-right"
            style={{ transform: `scaleX(${percent})` }}
          />
        </div>
      )}
    </div>
  );
}

function CardButton(props: { label: string; icon: typeof X; onClick: () => void }) {
  const Icon = props.icon;
  return (
    <button
      type="button"
      aria-label={props.label}
      title={props.label}
      onClick={props.onClick}
      className="inline-flex size-7 shrink-0 items-center justify-center rounded-md text-text-2 hover:bg-hover"
    >
      <Icon aria-hidden className="size-4" />
    </button>
  );
}

function Preview({ upload }: { upload: Upload }) {
  const [url, setUrl] = useState<string | null>(null);
  const picture = upload.contentType.startsWith("image/");
  useEffect(() => {
    if (!picture) return;
    const address = URL.createObjectURL(upload.source);
    setUrl(address);
    return () => URL.revokeObjectURL(address);
  }, [picture, upload.source]);
  return url ? (
    <img src={url} alt="" className="size-10 shrink-0 rounded-sm object-cover" />
  ) : (
    <span className="inline-flex size-10 shrink-0 items-center justify-center rounded-sm bg-accent-soft text-accent">
      <FileText aria-hidden className="size-5" />
    </span>
  );
}

"use client";

import { Upload } from "lucide-react";
import { type DragEvent, type ReactNode, useRef, useState } from "react";
import { useTranslations } from "use-intl";

/** Takes files that are dropped anywhere on a pane. */
export function DropArea(props: { onFiles: (files: File[]) => void; enabled: boolean; children: ReactNode }) {
  const t = useTranslations("composer");
  const [over, setOver] = useState(false);
  /** Enter and leave come for each element below: only the last leave counts. */
  const depth = useRef(0);
  const carriesFiles = (event: DragEvent) => props.enabled && event.dataTransfer.types.includes("Files");
  const move = (event: DragEvent, by: 1 | -1) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth.current += by;
    setOver(depth.current > 0);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is for pointers; the button beside does the same.
    <div
      className="relative flex min-h-0 min-w-0 flex-1 flex-col"
      onDragEnter={(event) => move(event, 1)}
      onDragLeave={(event) => move(event, -1)}
      onDragOver={(event) => carriesFiles(event) && event.preventDefault()}
      onDrop={(event) => {
        if (!carriesFiles(event)) return;
        event.preventDefault();
        depth.current = 0;
        setOver(false);
        props.onFiles([...event.dataTransfer.files]);
      }}
    >
      {props.children}
      {over && (
        <div className="pointer-events-none absolute inset-3 z-30 flex items-center justify-center gap-3 rounded-lg border-2 border-accent border-dashed bg-canvas/90 font-semibold text-accent text-lg">
          <Upload aria-hidden className="size-6" />
          {t("drop")}
        </div>
      )}
    </div>
  );
}

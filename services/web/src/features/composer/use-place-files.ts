"use client";

import { useMemo } from "react";
import { useTranslations } from "use-intl";
import { useUploads } from "@/core/react";
import type { Attachment, Place, Upload } from "@/core/types";
import { toast } from "@/ui/toast";

/** A message holds so many. */
const MAX_FILES = 10;

export interface PlaceFiles {
  uploads: readonly Upload[];
  /** Those that have arrived, as a message will hold them. */
  attachments: readonly Attachment[];
  /** Some are on their way, or did not arrive. */
  busy: boolean;
  add: (files: File[]) => void;
  remove: (id: string) => void;
  retry: (id: string) => void;
  clear: () => void;
}

/** The files for the next message of a place, however they come: chosen, pasted or dropped. */
export function usePlaceFiles(place: Place): PlaceFiles {
  const t = useTranslations("composer");
  const { items, add, remove, retry, clear } = useUploads(place);
  return useMemo(
    () => ({
      uploads: items,
      attachments: items.flatMap(({ file }) => (file ? [file] : [])),
      busy: items.some((upload) => upload.state !== "done"),
      add(files) {
        const room = MAX_FILES - items.length;
        if (files.length > room) toast(t("tooMany"), "failed");
        if (room > 0 && files.length > 0) add(files.slice(0, room));
      },
      remove,
      retry,
      clear,
    }),
    [items, add, remove, retry, clear, t],
  );
}

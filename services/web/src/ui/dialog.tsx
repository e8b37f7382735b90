"use client";

import { clsx as cx } from "clsx";
import { X } from "lucide-react";
import { AlertDialog, Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { useTranslations } from "use-intl";
import { Button } from "./button";
import { IconButton } from "./icon-button";

const OVERLAY = "fixed inset-0 z-40 bg-backdrop animate-appear";
const PANEL =
  "fixed z-40 flex max-h-[85dvh] w-[min(92vw,32rem)] flex-col overflow-hidden rounded-lg bg-raised shadow-lift animate-appear " +
  "inset-x-0 top-[8dvh] mx-auto border border-line";

/** A dialog: focus goes in, stays in, and returns to what opened it. */
export function Dialog(props: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  description?: string;
  /** The title is for assistive technology alone. */
  hideTitle?: boolean;
  wide?: boolean;
  footer?: ReactNode;
  children: ReactNode;
}) {
  const t = useTranslations("common");
  return (
    <Radix.Root open={props.open} onOpenChange={props.onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className={OVERLAY} />
        <Radix.Content
          className={cx(PANEL, props.wide && "w-[min(92vw,44rem)]")}
          {...(props.description ? {} : { "aria-describedby": undefined })}
        >
          <div className={props.hideTitle ? "sr-only" : "flex items-center gap-2 py-3 ps-5 pe-3"}>
            <Radix.Title className="min-w-0 flex-1 truncate font-semibold text-lg">{props.title}</Radix.Title>
            {!props.hideTitle && (
              <Radix.Close asChild>
                <IconButton icon={X} label={t("close")} />
              </Radix.Close>
            )}
          </div>
          {props.description && (
            <Radix.Description className="px-5 pb-3 text-text-2">{props.description}</Radix.Description>
          )}
          <div className={cx("min-h-0 flex-1 overflow-y-auto", !props.hideTitle && "px-5 pb-5")}>{props.children}</div>
          {props.footer && <div className="flex justify-end gap-2 border-line border-t px-5 py-3">{props.footer}</div>}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** Asks before something that cannot be undone. */
export function Confirm(props: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  text: string;
  action: string;
  busy?: boolean;
  onConfirm: () => void;
}) {
  const t = useTranslations("common");
  return (
    <AlertDialog.Root open={props.open} onOpenChange={props.onOpenChange}>
      <AlertDialog.Portal>
        <AlertDialog.Overlay className={OVERLAY} />
        <AlertDialog.Content className={cx(PANEL, "w-[min(92vw,27rem)] gap-2 p-5")}>
          <AlertDialog.Title className="font-semibold text-lg">{props.title}</AlertDialog.Title>
          <AlertDialog.Description className="text-text-2">{props.text}</AlertDialog.Description>
          <div className="mt-3 flex justify-end gap-2">
            <AlertDialog.Cancel asChild>
              <Button>{t("cancel")}</Button>
            </AlertDialog.Cancel>
            <Button variant="danger" busy={props.busy ?? false} onClick={props.onConfirm}>
              {props.action}
            </Button>
          </div>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}

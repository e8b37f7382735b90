import { clsx as cx } from "clsx";
import type { LucideIcon } from "lucide-react";
import type { ComponentProps } from "react";
import { Tooltip } from "./tooltip";

export interface IconButtonProps extends Omit<ComponentProps<"button">, "children"> {
  icon: LucideIcon;
  /** Its name, for assistive technology and as the tooltip. */
  label: string;
  /** The keys that do the same, shown in the tooltip. */
  keys?: string | undefined;
  size?: "sm" | "md";
  /** Mirrored in right-to-left languages: arrows and the like. */
  directional?: boolean;
}

export function IconButton({
  icon: Icon,
  label,
  keys,
  size = "md",
  directional = false,
  className,
  ...rest
}: IconButtonProps) {
  return (
    <Tooltip text={label} keys={keys}>
      <button
        type="button"
        aria-label={label}
        className={cx(
          "inline-flex shrink-0 items-center justify-center rounded-md text-text-2 transition-colors",
          "hover:bg-hover hover:text-text aria-pressed:bg-accent-soft aria-pressed:text-accent",
          "data-[state=open]:bg-hover disabled:opacity-50",
          size === "sm" ? "size-7" : "size-9",
          className,
        )}
        {...rest}
      >
        <Icon
          aria-hidden
          className={cx(size === "sm" ? "size-4" : "size-[1.125rem]", directional && "rtl:-scale-x-100")}
        />
      </button>
    </Tooltip>
  );
}

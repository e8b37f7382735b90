import { clsx as cx } from "clsx";
import type { ComponentProps } from "react";
import { Spinner } from "./spinner";

type Variant = "primary" | "secondary" | "quiet" | "danger";
type Size = "sm" | "md";

const VARIANTS: Record<Variant, string> = {
  primary: "bg-accent-fill text-on-accent hover:bg-accent-fill-hover",
  secondary: "border border-line-strong bg-canvas text-text hover:bg-hover",
  quiet: "text-text-2 hover:bg-hover hover:text-text",
  danger: "bg-danger-fill text-on-accent hover:opacity-90",
};
const SIZES: Record<Size, string> = { sm: "h-8 px-3 text-sm", md: "h-10 px-4" };

/** The classes of a button, for links that look like one. */
export function buttonClass(variant: Variant = "secondary", size: Size = "md"): string {
  return cx(
    "inline-flex shrink-0 select-none items-center justify-center gap-2 rounded-md font-medium transition-colors",
    "disabled:opacity-55 aria-disabled:opacity-55",
    VARIANTS[variant],
    SIZES[size],
  );
}

export interface ButtonProps extends ComponentProps<"button"> {
  variant?: Variant;
  size?: Size;
  /** Under way: it keeps its size and its focus, and takes no more clicks. */
  busy?: boolean;
}

export function Button({ variant, size, busy = false, className, children, onClick, type, ...rest }: ButtonProps) {
  return (
    <button
      type={type ?? "button"}
      className={cx(buttonClass(variant, size), "relative", className)}
      aria-disabled={busy || undefined}
      aria-busy={busy || undefined}
      onClick={busy ? (event) => event.preventDefault() : onClick}
      {...rest}
    >
      <span className={cx("inline-flex items-center gap-2", busy && "opacity-0")}>{children}</span>
      {busy && <Spinner className="absolute" />}
    </button>
  );
}

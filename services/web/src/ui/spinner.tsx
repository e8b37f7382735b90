import { clsx as cx } from "clsx";

/** Turns while something is under way. Whoever shows it says so in words. */
export function Spinner({ className }: { className?: string }) {
  return (
    <span
      aria-hidden
      className={cx("size-4 animate-turn rounded-full border-2 border-current border-e-transparent", className)}
    />
  );
}

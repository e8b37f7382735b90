/** A key combination as keycaps: `Ctrl+K`; `+` alone is that key. */
export function Keys({ of }: { of: string }) {
  return (
    <span dir="ltr" className="inline-flex gap-1">
      {(of === "+" ? [of] : of.split("+")).map((key) => (
        <kbd
          key={key}
          className="inline-flex h-5 min-w-5 items-center justify-center rounded-sm border border-current px-1 font-sans text-xs"
        >
          {key}
        </kbd>
      ))}
    </span>
  );
}

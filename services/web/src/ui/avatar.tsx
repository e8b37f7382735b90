import { clsx as cx } from "clsx";

const SIZES = { xs: "size-6 text-[0.625rem]", sm: "size-7 text-xs", md: "size-9 text-sm", lg: "size-20 text-xl" };

/* Enough lightness between each ground and white text for 4.5:1. */
const GROUNDS = [
  "bg-[#0f706c]",
  "bg-[#4f5fb8]",
  "bg-[#8a4a9e]",
  "bg-[#a8456a]",
  "bg-[#a6522d]",
  "bg-[#6c6a1d]",
  "bg-[#2f7547]",
  "bg-[#35698f]",
];

/** The same ground for the same id, on every device. */
export function groundOf(id: string): string {
  let sum = 0;
  for (let index = 0; index < id.length; index++) sum = (sum * 31 + id.charCodeAt(index)) >>> 0;
  return GROUNDS[sum % GROUNDS.length] as string;
}

/** The first letters of at most two words, whatever the script. */
export function initialsOf(name: string): string {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]];
  return letters
    .map((word) => [...(word ?? "")][0] ?? "")
    .join("")
    .toLocaleUpperCase();
}

/** Decoration: the name stands beside it. */
export function Avatar(props: {
  id: string;
  name: string;
  url?: string | null | undefined;
  size?: keyof typeof SIZES;
  square?: boolean;
  className?: string;
}) {
  const shape = cx(
    "inline-flex shrink-0 select-none items-center justify-center overflow-hidden font-semibold text-[#ffffff]",
    props.square ? "rounded-md" : "rounded-full",
    SIZES[props.size ?? "md"],
    props.className,
  );
  if (props.url) return <img src={props.url} alt="" loading="lazy" className={cx(shape, "bg-hover object-cover")} />;
  return (
    <span aria-hidden className={cx(shape, groundOf(props.id))}>
      {initialsOf(props.name)}
    </span>
  );
}

import Link from "next/link";
import type { ReactNode } from "react";

/** A link between the pages before one is signed in. */
export function TextLink({ href, children }: { href: string; children: ReactNode }) {
  return (
    <Link href={href} className="rounded-sm font-medium text-accent hover:underline">
      {children}
    </Link>
  );
}

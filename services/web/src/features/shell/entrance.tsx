"use client";

import dynamic from "next/dynamic";
import { usePathname, useRouter } from "next/navigation";
import { useEffect } from "react";
import { useTranslations } from "use-intl";
import { useSession } from "@/core/react";
import { AwaitingVerification } from "../account/verify-email";
import { Mark } from "../common/brand";

const App = dynamic(() => import("./app"), { ssr: false, loading: Starting });

/** Lets in who is signed in, and shows the way to the others. */
export function Entrance() {
  const session = useSession();
  const router = useRouter();
  const path = usePathname();
  const signedOut = session.status === "signed-out";
  useEffect(() => {
    if (signedOut) router.replace(path === "/" ? "/sign-in" : `/sign-in?next=${encodeURIComponent(path)}`);
  }, [signedOut, router, path]);
  if (session.status !== "signed-in") return <Starting />;
  if (session.me.role === "unverified") return <AwaitingVerification email={session.me.email} />;
  return <App />;
}

function Starting() {
  const t = useTranslations("common");
  return (
    <div role="status" aria-label={t("loading")} className="flex h-dvh items-center justify-center bg-surface">
      <Mark className="size-12 animate-pulse-soft" />
    </div>
  );
}

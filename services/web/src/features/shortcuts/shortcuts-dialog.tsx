"use client";

import { useTranslations } from "use-intl";
import { Dialog } from "@/ui/dialog";
import { Keys } from "@/ui/keys";
import { SHORTCUTS } from "./shortcuts";

export default function ShortcutsDialog({ onClose }: { onClose: () => void }) {
  const t = useTranslations("shortcuts");
  return (
    <Dialog open onOpenChange={onClose} title={t("title")} wide>
      <div className="grid gap-x-8 gap-y-5 sm:grid-cols-2">
        {(Object.keys(SHORTCUTS) as (keyof typeof SHORTCUTS)[]).map((place) => (
          <section key={place}>
            <h3 className="mb-1 font-semibold text-sm text-text-2">{t(place)}</h3>
            <dl>
              {SHORTCUTS[place].map(([keys, name]) => (
                <div key={name} className="flex min-h-8 items-center justify-between gap-4 border-line border-b py-1">
                  <dt>{t(name)}</dt>
                  <dd className="text-text-2">
                    <Keys of={keys} />
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}

"use client";

import { useTranslations } from "use-intl";
import { useSeenBy } from "@/core/react";
import type { Message } from "@/core/types";
import { Dialog } from "@/ui/dialog";
import { PersonLine } from "../people/person-line";
import { usePeople } from "../people/use-people";

/** Who has read a message; it follows as more people do. */
export default function SeenDialog({ message, onClose }: { message: Message; onClose: () => void }) {
  const t = useTranslations("message");
  const ids = useSeenBy(message);
  const people = usePeople(ids);
  return (
    <Dialog open onOpenChange={onClose} title={t("seenTitle", { count: ids.length })} description={t("seenNote")}>
      <ul className="-mx-3">
        {[...people.values()].map((person) => (
          <PersonLine key={person.id} person={person} />
        ))}
      </ul>
    </Dialog>
  );
}

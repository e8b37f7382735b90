import { describe, expect, it } from "vitest";
import type { Conversation, Me, MemberRole } from "@/core/types";
import { permissionsIn } from "@/features/conversation/permissions";

function may(
  type: Conversation["type"],
  role: MemberRole | null,
  over: Partial<Conversation> = {},
  platform: Me["role"] = "user",
) {
  const members = role ? [{ user_id: "me", role, joined_at: "" }] : [];
  const conversation = { type, members, posting: "members", ...over } as unknown as Conversation;
  const { remove, ...rest } = permissionsIn(conversation, { id: "me", role: platform });
  const granted = Object.entries(rest).flatMap(([name, yes]) => (yes ? [name] : []));
  return { granted, removes: (["owner", "admin", "member"] as const).filter(remove) };
}

describe("who may what", () => {
  it.each([
    ["direct", "member", ["write", "pin", "changeRetention"], []],
    ["group", "member", ["write", "pin", "mentionEverybody", "leave"], []],
    ["group", "admin", ["write", "pin", "mentionEverybody", "manage", "deleteOthers", "leave"], ["member"]],
    ["channel", "member", ["write", "leave"], []],
    ["channel", "admin", ["write", "pin", "mentionEverybody", "manage", "deleteOthers", "leave"], ["member"]],
    [
      "channel",
      "owner",
      ["write", "pin", "mentionEverybody", "manage", "deleteOthers", "changeRetention", "own", "leave"],
      ["admin", "member"],
    ],
    ["channel", null, [], []],
  ] as const)("%s, %s", (type, role, granted, removes) => {
    expect(may(type, role)).toEqual({ granted, removes });
  });

  it("only admins write where only admins post", () => {
    expect(may("channel", "member", { posting: "admins" }).granted).not.toContain("write");
    expect(may("channel", "admin", { posting: "admins" }).granted).toContain("write");
  });

  it("a moderator of the platform deletes what others wrote", () => {
    expect(may("direct", "member", {}, "moderator").granted).toContain("deleteOthers");
  });
});
